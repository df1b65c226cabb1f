"""Counting what people use: once, priced, and within what they may.

The work is done by the functions of usage/migrations/0003_metering.py, each one round trip and one transaction; this
module says it in Python. `at` is the present, for tests that need another; the database's own clock without it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import Error, connections

from usage import bulk, pricing
from usage.bulk import Batch, moment_of
from usage.models import Source
from wavelength.ids import uuid7
from wavelength.metrics import QUOTA_REFUSALS, USAGE_RECORDED
from wavelength.tallies import Happened, tally
from wavelength.tenancy import ask_entering, current_tenant, tenant

RESERVATION_SECONDS: Final = 600  # longer than any provider's timeout
MOST = 2**31  # of any count in one record


class UnknownKeyError(LookupError):
    """`api_key_id` is no key of this person."""


class UnknownReservationError(LookupError):
    """There is no such reservation of this person."""


class ReservationClosedError(RuntimeError):
    """The reservation was settled already, with other figures."""


class IdempotencyError(ValueError):
    """Something else was counted under this idempotency key."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one or more requests. `cached` are among the input, never more; `reasoning` stand beside the output."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cached: int = 0

    def __post_init__(self) -> None:
        if self.cached > self.input:
            object.__setattr__(self, "cached", self.input)

    @property
    def total(self) -> int:
        return self.input + self.output + self.reasoning


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit that one more request would pass. `kind` is requests, tokens, cost, or access where the tier lacks it."""

    kind: str
    period: str | None
    provider: str
    model: str
    api_key_id: UUID | None
    allowed: Decimal | None
    taken: Decimal | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room set aside until `expires_at`."""

    id: UUID
    expires_at: datetime


class QuotaExceededError(RuntimeError):
    """There is no room for the request; `refusals` say where, and none of it was set aside."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("The request would pass a limit.")
        self.refusals = refusals


class BatchRecord(NamedTuple):
    """One record of a batch: `name` is the client's own id, counted once however often it comes."""

    provider: str
    model: str
    tokens: Tokens = Tokens()
    requests: int = 1
    cost: Decimal | None = None
    name: str | None = None
    happened_at: datetime | None = None


def record_usage(
    *,
    user_id: UUID,
    provider: str,
    model: str,
    requests: int = 1,
    input_tokens: int = 0,
    output_tokens: int = 0,
    reasoning_tokens: int = 0,
    cached_tokens: int = 0,
    cost: Decimal | None = None,
    api_key_id: UUID | None = None,
    source: Source = Source.CLIENT,
    idempotency_key: str | None = None,
    digest: str = "",
    happened_at: datetime | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """Count requests in the ledger and in every quota that applies; answer the hour's record after the addition.

    `cost` is what the caller was charged, in US dollars; without it the computed one counts, and where no price
    is known none. `happened_at` is for what is told later: it is counted at that time. With `idempotency_key` a
    repeat adds nothing and answers as the first did; `digest` tells one request from another. Never refuses: what was
    used was used. Raises UnknownKeyError, IdempotencyError.
    """
    tokens = Tokens(input_tokens, output_tokens, reasoning_tokens, cached_tokens)
    computed = pricing.computed_cost(provider, model, tokens, requests, happened_at)
    answer = _call(
        user_id, "usage_record",
        uuid7(), user_id, provider, model, source, requests, *_columns(tokens), cost, computed,
        api_key_id, idempotency_key, digest, happened_at, at,
    )  # fmt: skip
    record: dict[str, Any] = orjson.loads(answer)
    USAGE_RECORDED.labels(source).inc()
    return record


def reserve(
    *,
    user_id: UUID,
    provider: str,
    model: str,
    tokens: int,
    cost: Decimal | None = None,
    api_key_id: UUID | None = None,
    seconds: int = RESERVATION_SECONDS,
    at: datetime | None = None,
) -> Reservation:
    """Set room aside for one request before a provider is asked, for `seconds`, in every limit that applies.

    `tokens` and `cost` are estimates; without a cost all tokens are taken to be of the dearest kind, and to cost
    nothing where no price is known. Concurrent callers never pass a limit together. Raises QuotaExceededError,
    UnknownKeyError.
    """
    listed = _listed(provider, model, tokens, cost)
    said = _call(
        user_id, "usage_reserve",
        uuid7(), user_id, provider, model, tokens, cost, listed, api_key_id, seconds, at,
    )  # fmt: skip
    answer = orjson.loads(said)
    if "refusals" in answer:
        QUOTA_REFUSALS.labels("person").inc()
        tally(Happened("refusal", "person"))
        raise QuotaExceededError([refusal(row) for row in answer["refusals"]])
    return Reservation(UUID(answer["id"]), datetime.fromisoformat(answer["expiresAt"]))


def settle(
    *,
    user_id: UUID,
    reservation_id: UUID,
    provider: str,
    model: str,
    requests: int = 1,
    tokens: Tokens,
    cost: Decimal | None = None,
    api_key_id: UUID | None = None,
    source: Source = Source.CLIENT,
    digest: str = "",
    at: datetime | None = None,
) -> dict[str, Any]:
    """Put the real figures in the place of what was reserved; answer the hour's record as `record_usage` does.

    Happens once: a repeat answers as the first did. Figures that come after the reservation expired or was released are
    added all the same. They count at the time of the reservation. Raises UnknownReservationError, and
    ReservationClosedError when it was settled with another `digest`.
    """
    computed = pricing.computed_cost(provider, model, tokens, requests, None)
    answer = _call(
        user_id, "usage_settle",
        reservation_id, uuid7(), user_id, provider, model, source, requests, *_columns(tokens), cost, computed,
        api_key_id, digest, at,
        unknown=UnknownReservationError,
    )  # fmt: skip
    record: dict[str, Any] = orjson.loads(answer)
    USAGE_RECORDED.labels("settled").inc()
    return record


def release(*, user_id: UUID, reservation_id: UUID, at: datetime | None = None) -> None:
    """Give an unused reservation back. Raises UnknownReservationError, ReservationClosedError when it was settled."""
    _call(user_id, "usage_release", reservation_id, user_id, at, unknown=UnknownReservationError)


def expire(*, user_id: UUID, at: datetime | None = None) -> int:
    """Free what was reserved and not heard of in time; answer how many reservations that were."""
    return int(_call_within(user_id, "usage_expire", user_id, at) or 0)


def refusals_of(
    *,
    user_id: UUID,
    provider: str,
    model: str,
    tokens: int = 0,
    cost: Decimal | None = None,
    api_key_id: UUID | None = None,
    at: datetime | None = None,
) -> list[Refusal]:
    """What `reserve` would refuse such a request for, without setting anything aside. Raises UnknownKeyError."""
    expected = cost, provider, model, tokens, _listed(provider, model, tokens, cost)
    row = _call_within(user_id, "usage_outlook", user_id, provider, model, tokens, *expected, api_key_id, at)
    return [refusal(found) for found in orjson.loads(row or "[]")]


def record_batch(
    *, user_id: UUID, records: Iterable[BatchRecord], source: Source = Source.CLIENT, at: datetime | None = None
) -> int:
    """Count many records in one transaction, as if each had been recorded by itself; answer how many were new."""
    batch = Batch()
    for record in records:
        batch.add(
            batch.number_of((record.provider, record.model)),
            record.requests,
            *_columns(record.tokens),
            None if record.cost is None else str(record.cost),
            None if record.happened_at is None else moment_of(record.happened_at),
            record.name,
        )
    return bulk.count(user_id=user_id, batch=batch, source=source, at=at)


def refusal(row: Mapping[str, Any]) -> Refusal:
    """A refusal as the database's JSON has it."""
    key, ends_at = row["api_key_id"], row["ends_at"]
    return Refusal(
        kind=row["kind"],
        period=row["period"],
        provider=row["provider"],
        model=row["model"],
        api_key_id=UUID(key) if key else None,
        allowed=None if row["allowed"] is None else Decimal(str(row["allowed"])),
        taken=None if row["taken"] is None else Decimal(str(row["taken"])),
        ends_at=datetime.fromisoformat(ends_at) if ends_at else None,
    )


_PARAMETERS: Final[Mapping[str, str]] = {
    "usage_record": "uuid uuid text text text bigint bigint bigint bigint bigint numeric numeric uuid text text"
    " timestamptz timestamptz",
    "usage_reserve": "uuid uuid text text bigint numeric numeric uuid integer timestamptz",
    "usage_settle": "uuid uuid uuid text text text bigint bigint bigint bigint bigint numeric numeric uuid text"
    " timestamptz",
    "usage_release": "uuid uuid timestamptz",
    "usage_outlook": "uuid text text bigint estimate uuid timestamptz",
    "usage_expire": "uuid timestamptz",
}
# An administrator's price stands in the database, and is looked up there.
_ESTIMATE: Final = "usage_estimate(%s::numeric, %s::text, %s::text, %s::bigint, %s::numeric)"


def _call(user_id: UUID, function: str, *arguments: Any, unknown: type[LookupError] = UnknownKeyError) -> str:
    """What a function of ours that serves the person by itself answers, in one round trip."""
    if current_tenant() is not None:
        return _call_within(user_id, function, *arguments, unknown=unknown) or ""
    texts = [None if argument is None else str(argument) for argument in arguments]
    with _told(unknown):
        answer = ask_entering(function, *texts)
    return "" if answer is None else answer[0] or ""


def _call_within(
    user_id: UUID, function: str, *arguments: Any, unknown: type[LookupError] = UnknownKeyError
) -> str | None:
    """The same in a transaction of the person; the last parameter is the time, the database's own where None."""
    marks = [_ESTIMATE if kind == "estimate" else f"%s::{kind}" for kind in _PARAMETERS[function].split()]
    marks[-1] = f"coalesce({marks[-1]}, now())"
    with _told(unknown), tenant(user_id), connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT {function}({', '.join(marks)})::text", arguments)
        answer: str | None = cursor.fetchone()[0]
    return answer


@contextmanager
def _told(unknown: type[LookupError]) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise_told(error, unknown=unknown)
        raise


def raise_told(error: Error, *, unknown: type[LookupError] = UnknownKeyError) -> None:
    """Raise what a function of ours said by its SQLSTATE, if it was one that spoke."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state == "WL404":
        raise unknown from None
    if state == "WL409":
        raise ReservationClosedError("The reservation is settled already.") from None
    if state == "WL422":
        raise IdempotencyError("Something else was counted under this idempotency key.") from None


def _listed(provider: str, model: str, tokens: int, cost: Decimal | None) -> Decimal | None:
    return pricing.estimated_cost(provider, model, tokens) if cost is None else None


def _columns(tokens: Tokens) -> tuple[int, int, int, int]:
    return tokens.input, tokens.output, tokens.reasoning, tokens.cached
