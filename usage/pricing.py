"""What requests cost, in US dollars, by the prices that come with genai-prices; nothing here asks the network.

An administrator's own price of a model (`ModelPrice`) stands before these; the functions of usage/migrations
apply it where they count, so that it holds at once in every process.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, StartDateConstraint, TieredPrices, TimeOfDateConstraint
from genai_prices.types import ModelPrice as ListedPrice

if TYPE_CHECKING:
    from usage.metering import Tokens
    from usage.models import ModelPrice

PLACES: Final = Decimal("1e-12")
ZERO: Final = Decimal(0)
# These say how OpenRouter chooses who answers and leave the model's price as it is; `:free` and the like are models
# of their own (https://openrouter.ai/docs/guides/routing/model-variants/overview).
ROUTING_VARIANT: Final = re.compile(r":(nitro|floor|exacto|online)$")


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of a request with more than `above` input tokens, in US dollars: of each token, and of the request.

    `output` and `reasoning` are None where nothing is known of what the model answers, as with embeddings.
    """

    above: int
    input: Decimal
    output: Decimal | None
    reasoning: Decimal | None
    cached: Decimal
    request: Decimal


class Tariff(NamedTuple):
    """What a model costs while `condition` holds, by the size of the request, the largest first."""

    condition: StartDateConstraint | TimeOfDateConstraint | None
    rates: tuple[Rates, ...]


_Used = tuple[int, int, int, int, int]  # requests; input, output, reasoning and cached tokens
NOTHING: Final = (Tariff(None, (Rates(-1, ZERO, ZERO, ZERO, ZERO, ZERO),)),)


def computed_cost(
    provider: str, model: str, tokens: "Tokens", requests: int, happened_at: datetime | None
) -> Decimal | None:
    """The cost of these tokens of so many requests at the prices of their time, or None where no price is known.

    Where the price depends on the size of the request, each is taken to be as large as their average.
    """
    return _cost(_rates(provider, model, happened_at), _used(tokens, requests))


def computed_costs(
    models: Sequence[tuple[str, str]],
    records: Iterable[tuple[int, int, int, int, int, int]],
    *,
    own: Mapping[int, Rates],
    at: Callable[[int], datetime],
) -> list[str | None]:
    """The same of many records, as numbers are written, not rounded yet; `own` are administrators' prices.

    A record is the place of its model, requests, input, output, reasoning and cached tokens; `at` says when it
    happened, by its place.
    """
    whole = [_whole(own.get(place), provider, model) for place, (provider, model) in enumerate(models)]
    costs: list[str | None] = []
    for place, (model, requests, given, answered, thought, cached) in enumerate(records):
        if rates := whole[model]:
            cost = requests * rates.request + given * rates.input + answered * rates.output
            if thought or cached:
                cost += thought * rates.reasoning - cached * (rates.input - rates.cached)
            costs.append(f"{cost}{rates.unit}")
        else:
            sizes = (own[model],) if model in own else _rates(*models[model], at(place))
            one = _cost(sizes, (requests, given, answered, thought, cached))
            costs.append(None if one is None else str(one))
    return costs


def estimated_cost(provider: str, model: str, tokens: int) -> Decimal | None:
    """The most that one request of so many tokens may cost now, or None where no price is known."""
    costs = (most_at(rates, tokens) for rates in _rates(provider, model, None) if tokens > rates.above)
    return max(costs, default=None)


def listed_rates(provider: str, model: str) -> Rates | None:
    """The present rates of a small request, or None where no price is known."""
    rates = _rates(provider, model, None)
    return rates[-1] if rates else None


@lru_cache(maxsize=64)
def names_sold(provider: str) -> tuple[str, ...]:
    """The models that genai-prices lists of a provider and does not call deprecated, by their own names.

    The list comes with the package, so it stays as it is while the process lives.
    """
    seller = find_provider_by_id(get_snapshot().providers, provider.lower().strip())
    return () if seller is None else tuple(model.id for model in seller.models if not model.deprecated)


def own_rates(price: "ModelPrice") -> Rates:
    """The rates of an administrator's price, as the functions in the database apply them."""
    return rates_of(
        price.input_price, price.output_price, price.reasoning_price, price.cached_price, price.request_price
    )


def rates_of(
    given: Decimal, answered: Decimal, thought: Decimal | None, cached: Decimal | None, request: Decimal
) -> Rates:
    """An administrator's price, in US dollars a million tokens and a request."""
    return Rates(
        above=-1,
        input=given.scaleb(-6),
        output=answered.scaleb(-6),
        reasoning=(answered if thought is None else thought).scaleb(-6),
        cached=(given if cached is None else cached).scaleb(-6),
        request=request,
    )


def cost_at(rates: Rates, tokens: "Tokens", requests: int) -> Decimal | None:
    """What tokens and requests cost at these rates; None where some of them have no price."""
    return _cost_at(rates, _used(tokens, requests))


def most_at(rates: Rates, tokens: int) -> Decimal:
    """What one request costs at these rates if all its tokens are of the dearest kind."""
    return rounded(rates.request + tokens * max(rates.input, rates.output or ZERO, rates.reasoning or ZERO))


def rounded(cost: Decimal) -> Decimal:
    """To 12 places, halves away from zero, as the database rounds."""
    return cost.quantize(PLACES, ROUND_HALF_UP)


class _Whole(NamedTuple):
    """Rates as whole numbers of a `unit`, such as e-12, for records by the thousand."""

    request: int
    input: int
    output: int
    reasoning: int
    cached: int
    unit: str


def _whole(own: Rates | None, provider: str, model: str) -> _Whole | None:
    """The rates of a model, or None where none are known or they depend on more than the model."""
    if own is None:
        tariffs = _tariffs(provider, model)
        if len(tariffs) != 1 or len(tariffs[0].rates) != 1:
            return None
        own = tariffs[0].rates[0]
    if own.output is None or own.reasoning is None:
        return None
    parts = (own.request, own.input, own.output, own.reasoning, own.cached)
    places = max(-int(part.as_tuple().exponent) for part in (PLACES, *parts))
    request, given, answered, thought, cached = (int(part.scaleb(places)) for part in parts)
    return _Whole(request, given, answered, thought, cached, f"e-{places}")


def _used(tokens: "Tokens", requests: int) -> _Used:
    return requests, tokens.input, tokens.output, tokens.reasoning, tokens.cached


def _cost(sizes: Sequence[Rates], used: _Used) -> Decimal | None:
    """The cost at the rates for requests of this size; None where there are none."""
    for rates in sizes:
        if used[1] > rates.above * max(used[0], 1):
            return _cost_at(rates, used)
    return None


def _cost_at(rates: Rates, used: _Used) -> Decimal | None:
    requests, given, answered, thought, cached = used
    cost = requests * rates.request + (given - cached) * rates.input + cached * rates.cached
    if answered:
        if rates.output is None:
            return None
        cost += answered * rates.output
    if thought:
        if rates.reasoning is None:
            return None
        cost += thought * rates.reasoning
    return rounded(cost)


def _rates(provider: str, model: str, at: datetime | None) -> tuple[Rates, ...]:
    tariffs = _tariffs(provider, model)
    if len(tariffs) == 1:
        return tariffs[0].rates
    moment = at or datetime.now(UTC)
    return next((it.rates for it in tariffs if it.condition is None or it.condition.active(moment)), ())


@lru_cache(maxsize=4096)
def _tariffs(provider: str, model: str) -> tuple[Tariff, ...]:
    """What a model costs, as genai-prices lists it; the first whose condition holds counts, and the last has none.

    The list comes with the package, so it stays as it is while the process lives.
    """
    found = _find(provider.lower().strip(), model.lower().strip())
    if found is None:
        return ()
    if isinstance(found.prices, ListedPrice):
        if found.id.endswith(":free") and not found.prices.__dict__:
            return NOTHING
        return (Tariff(None, tuple(_sizes(found.prices))),)
    tariffs = [Tariff(it.constraint, tuple(_sizes(it.prices))) for it in found.prices]
    return (*reversed(tariffs), Tariff(None, tariffs[0].rates))


def _find(provider: str, model: str) -> ModelInfo | None:
    """The model as its provider lists it, or as the provider whose name stands before the slash does.

    The snapshot's own look-up is not used: it remembers every name that it was ever asked for.
    """
    providers = get_snapshot().providers
    seller = find_provider_by_id(providers, provider)
    if seller is None:
        return None
    if seller.id == "openrouter":
        model = ROUTING_VARIANT.sub("", model)
    if found := seller.find_model(model, all_providers=providers):
        return found
    name, slash, rest = model.partition("/")
    # Google's own API says models/gemini-….
    maker = seller if name == "models" else find_provider_by_id(providers, name)
    # A seller's variant of a model (`…:extended`) is not the maker's.
    if not slash or ":" in rest or maker is None or seller.id not in ("openrouter", maker.id):
        return None
    return maker.find_model(rest, all_providers=providers)


def _sizes(price: ListedPrice) -> Iterator[Rates]:
    """The rates for each size of request that the price tells apart, the largest first."""
    if price.input_mtok is None:
        return  # priced by the hour, by the page, or not at all
    starts = {tier.start for part in price.__dict__.values() if isinstance(part, TieredPrices) for tier in part.tiers}
    for above in sorted({-1, *starts}, reverse=True):
        given = _part(price.input_mtok, above, -6) or ZERO
        answered = _part(price.output_mtok, above, -6)
        thought = _part(price.output_reasoning_mtok, above, -6)
        cached = _part(price.cache_read_mtok, above, -6)
        yield Rates(
            above=above,
            input=given,
            output=answered,
            reasoning=answered if thought is None else thought,
            cached=given if cached is None else cached,
            request=_part(price.requests_kcount, above, -3) or ZERO,
        )


def _part(price: Decimal | TieredPrices | None, above: int, power: int) -> Decimal | None:
    """One price for requests of that size, of a single token or request."""
    if isinstance(price, TieredPrices):
        price = next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)
    return None if price is None else price.scaleb(power)
