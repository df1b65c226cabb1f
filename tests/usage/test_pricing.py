"""What requests cost: the arithmetic, against genai-prices' own, and which price is whose."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from usage.metering import Tokens
from usage.pricing import computed_cost, estimated_cost, rounded

# Around the sizes at which prices change, among others.
SIZES = st.integers(0, 2_000_000) | st.sampled_from([0, 1, 32_000, 32_001, 128_000, 128_001, 200_000, 200_001, 272_001])
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC))  # noqa: DTZ001


@cache
def every_model() -> list[tuple[str, str]]:
    """Each that is listed, except under names that its provider's own rules do not find."""
    providers = get_snapshot().providers
    return [(it.id, model.id) for it in providers for model in it.models if it.find_model(model.id)]


@settings(max_examples=25, deadline=None, phases=[Phase.reuse, Phase.generate])  # a smaller example says no more
@given(SIZES, SIZES, SIZES, st.floats(0, 1), MOMENTS)
def test_every_listed_price_is_the_one_of_genai_prices(
    given: int, answered: int, thought: int, share: float, at: datetime
) -> None:
    tokens = Tokens(given, answered, thought, int(given * share))
    usage = Usage(
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cached,
        output_tokens=tokens.output + tokens.reasoning,
        output_reasoning_tokens=tokens.reasoning,
    )
    priced = 0
    for provider, model in every_model():
        theirs = calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
        ours = computed_cost(provider, model, tokens, 1, at)
        if ours is not None:
            priced += 1
            assert (provider, model, ours) == (provider, model, rounded(theirs.total_price))
        else:
            known = theirs.model_price
            assert known.input_mtok is None or (known.output_mtok is None and answered + thought > 0), (provider, model)
    assert priced > 1900


@pytest.mark.parametrize(
    ("tokens", "cost"),
    [
        (Tokens(1_000_000), "2.5"),
        (Tokens(0, 1_000_000), "10"),
        (Tokens(0, 0, 1_000_000), "10"),
        (Tokens(1_000_000, cached=1_000_000), "1.25"),
        (Tokens(1_000_000, 100, 10, 400_000), "2.0011"),
        (Tokens(1), "0.0000025"),
        (Tokens(), "0"),
    ],
)
def test_each_kind_of_token_has_its_price(tokens: Tokens, cost: str) -> None:
    assert computed_cost("openai", "gpt-4o", tokens, 1, None) == Decimal(cost)


def test_reasoning_has_a_price_of_its_own_where_it_is_listed() -> None:
    assert computed_cost("perplexity", "sonar-deep-research", Tokens(0, 0, 1_000_000), 1, None) == 3
    assert computed_cost("perplexity", "sonar-deep-research", Tokens(0, 1_000_000), 1, None) == 8


def test_a_price_of_requests_counts_each() -> None:
    assert computed_cost("perplexity", "sonar", Tokens(), 5, None) == Decimal("0.06")


def test_a_large_request_is_told_by_the_average_of_several() -> None:
    small, large = Decimal("1.25"), Decimal("2.5")
    model = ("google", "gemini-2.5-pro")
    assert computed_cost(*model, Tokens(200_000), 1, None) == small / 5
    assert computed_cost(*model, Tokens(1_000_000), 1, None) == large
    assert computed_cost(*model, Tokens(1_000_000), 5, None) == small
    assert computed_cost(*model, Tokens(1_000_005), 5, None) == Decimal("2.5000125")
    assert computed_cost(*model, Tokens(1_000_000), 0, None) == large


def test_prices_are_those_of_the_time() -> None:
    before, after = datetime(2025, 6, 9, 23, tzinfo=UTC), datetime(2025, 6, 10, tzinfo=UTC)
    million = Tokens(1_000_000)
    assert computed_cost("openai", "o3", million, 1, before) == 10
    assert computed_cost("openai", "o3", million, 1, after) == 2
    assert computed_cost("openai", "o3", million, 1, None) == 2


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "openai/gpt-4o"),
        ("openai", "GPT-4o"),
        ("openai", "gpt-4o-2024-08-06"),
        ("openai", "gpt-4o-20240806"),
        ("OpenAI", "gpt-4o"),
        ("openrouter", "openai/gpt-4o"),
        ("openrouter", "openai/gpt-4o:nitro"),
        ("openrouter", "openai/gpt-4o:online"),
        ("openrouter", "openai/gpt-4o-2024-08-06"),
    ],
)
def test_names_that_clients_send_for_one_model(provider: str, model: str) -> None:
    assert computed_cost(provider, model, Tokens(1_000_000, 1_000_000), 1, None) == Decimal("12.5")


@pytest.mark.parametrize(
    ("provider", "model", "cost"),
    [
        ("openrouter", "anthropic/claude-sonnet-4", 3),
        ("openrouter", "anthropic/claude-sonnet-4-20250514", 3),  # only Anthropic lists it under this name
        ("anthropic", "claude-sonnet-4-20250514", 3),
        ("anthropic", "anthropic/claude-sonnet-4-0", 3),
        ("openrouter", "x-ai/grok-4", 3),
        ("xai", "grok-4", 3),
        ("x-ai", "x-ai/grok-4", 3),
        ("xai", "x-ai/grok-4", 3),
        ("google", "models/gemini-2.0-flash", Decimal("0.1")),
        ("openrouter", "deepseek/deepseek-r1:free", 0),
    ],
)
def test_providers_go_by_several_names(provider: str, model: str, cost: Decimal) -> None:
    assert computed_cost(provider, model, Tokens(100_000), 10, None) == cost / Decimal(10)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("no-such-provider", "gpt-4o"),
        ("no-such-provider", "openai/gpt-4o"),
        ("groq", "openai/gpt-4o"),  # what one provider asks is nothing another need ask
        ("openrouter", "gpt-4o"),
        ("openrouter", "nobody/nothing"),
        ("openrouter", "anthropic/claude-sonnet-4-20250514:free"),
        ("openrouter", "/"),
        ("openrouter", ""),
        ("", ""),
        ("😀", "\x00/\x00"),
        ("google", "gemma-3"),  # listed, without any price
        ("groq", "whisper-large-v3"),  # by the hour
    ],
)
def test_an_unknown_price_is_none(provider: str, model: str) -> None:
    assert computed_cost(provider, model, Tokens(10, 10), 1, None) is None
    assert estimated_cost(provider, model, 10) is None


def test_what_has_no_price_for_answers_costs_something_only_without() -> None:
    assert computed_cost("openai", "text-embedding-3-small", Tokens(1_000_000), 1, None) == Decimal("0.02")
    assert computed_cost("openai", "text-embedding-3-small", Tokens(1_000_000, 1), 1, None) is None
    assert computed_cost("openai", "text-embedding-3-small", Tokens(1_000_000, 0, 1), 1, None) is None


def test_an_estimate_takes_the_dearest_tokens() -> None:
    assert estimated_cost("openai", "gpt-4o", 1_000_000) == 10
    assert estimated_cost("openai", "text-embedding-3-small", 1_000_000) == Decimal("0.02")
    assert estimated_cost("google", "gemini-2.5-pro", 200_000) == 2
    assert estimated_cost("google", "gemini-2.5-pro", 1_000_000) == 15
    assert estimated_cost("perplexity", "sonar", 0) == Decimal("0.012")
    assert estimated_cost("openai", "gpt-4o", 0) == 0


def test_cached_tokens_are_among_the_input() -> None:
    assert Tokens(10, cached=50).cached == 10
    assert computed_cost("openai", "gpt-4o", Tokens(1_000_000, cached=2_000_000), 1, None) == Decimal("1.25")


def test_costs_have_twelve_places() -> None:
    cost = computed_cost("openai", "gpt-4o-mini", Tokens(1, 1, 1, 1), 1, None)
    assert cost == Decimal("0.000001275")
    assert cost.as_tuple().exponent == -12
    assert rounded(Decimal("0.0000000000005")) == Decimal("1e-12")
