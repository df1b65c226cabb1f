"""The JSON objects that the usage calls share, and how what a caller says is read."""

from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Final, Literal
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from usage.metering import MOST, Tokens
from usage.models import NAME_LENGTH
from usage.quotas import Quota
from wavelength.contract import Body, Dollars, Moment, Shape

MOST_DOLLARS: Final = 10**9  # of one record


def dollars(value: object) -> Decimal:
    """A JSON number as the amount that was written: the parser's float is the nearest to it, and its shortest form it.

    Raises ValueError, with a sentence, for anything else and for amounts that are negative or absurd.
    """
    if type(value) not in (int, float):
        raise ValueError("This must be a number.")
    amount = Decimal(repr(value))
    if not 0 <= amount <= MOST_DOLLARS:
        raise ValueError(f"This must be from 0 to {MOST_DOLLARS} dollars.")
    return abs(amount)


def storable(text: str) -> str:
    """PostgreSQL's texts hold every character but one. Raises ValueError, with a sentence."""
    if "\0" in text:
        raise ValueError("This holds a character that cannot be stored.")
    return text


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH)]
Filter = Annotated[str, StringConstraints(strip_whitespace=True, max_length=NAME_LENGTH), AfterValidator(storable)]
Count = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Cost = Annotated[
    Decimal, PlainValidator(dollars), WithJsonSchema({"type": "number", "minimum": 0, "maximum": MOST_DOLLARS})
]


class Usage(Body):
    """What was used of one model. Cached tokens are among the input, reasoning tokens stand beside the output."""

    provider: Name
    model: Name
    request_count: Annotated[Count, Field(ge=1)] = 1
    input_tokens: Count = 0
    output_tokens: Count = 0
    reasoning_tokens: Count = 0
    cached_tokens: Count = 0
    cost: Cost | None = None
    api_key_id: UUID | None = None

    @field_validator("cached_tokens")
    @classmethod
    def _among_the_input(cls, cached: int, info: ValidationInfo) -> int:
        if cached > info.data.get("input_tokens", cached):
            raise ValueError("This must be at most inputTokens: cached tokens are among them.")
        return cached

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.input_tokens, self.output_tokens, self.reasoning_tokens, self.cached_tokens)

    def digest(self) -> str:
        """Tells this body from any other that says something else, however either is written."""
        said = [*self.__dict__.values()]
        return sha256(orjson.dumps(said, default=_canonical)).hexdigest()


class Record(Shape):
    """What was used of one model in one hour, which `date` and `hour` name in UTC. An unknown cost is null."""

    id: UUID
    user_id: UUID
    provider: str
    model: str
    request_count: int
    total_tokens: int
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_cost: Dollars | None
    date: date
    hour: int
    created_at: Moment
    updated_at: Moment


class QuotaOut(Shape):
    """A limit and what is used of it until `resetAt`; a limit that is null allows any amount."""

    type: str
    provider: str | None
    model: str | None
    request_limit: int | None
    token_limit: int | None
    cost_limit: Dollars | None
    used_requests: int
    used_tokens: int
    used_cost: Dollars
    reset_at: Moment

    @classmethod
    def of(cls, quota: Quota) -> "QuotaOut":
        return cls(
            type=quota.period,
            provider=quota.provider or None,
            model=quota.model or None,
            request_limit=quota.request_limit,
            token_limit=quota.token_limit,
            cost_limit=quota.cost_limit,
            used_requests=quota.used_requests,
            used_tokens=quota.used_tokens,
            used_cost=quota.used_cost,
            reset_at=quota.ends_at,
        )


class ReportQuery(Shape):
    """A period on the person's own calendar, and what to count in it."""

    period: Literal["today", "week", "month", "all"] = "month"
    provider: Filter = ""
    model: Filter = ""


class DateRange(Shape):
    """From `start` to now."""

    start: Moment
    end: Moment


class TokenSums(Shape):
    total: int
    input: int
    output: int
    reasoning: int


class Totals(Shape):
    requests: int
    tokens: TokenSums
    cost: Dollars


class Sums(Shape):
    """Tokens of every kind; the cost is that of the requests that have a known one."""

    requests: int
    tokens: int
    cost: Dollars


class ProviderSums(Sums):
    provider: str


class ModelSums(Sums):
    model: str


class DaySums(Sums):
    date: date


class Breakdown(Shape):
    """By provider, and by model the ten dearest."""

    providers: list[ProviderSums]
    models: list[ModelSums]


class DayOfModel(Shape):
    """What was used of one model in one day. An unknown cost is null."""

    provider: str
    model: str
    date: date
    requests: int
    tokens: TokenSums
    cost: Dollars | None


class Report(Shape):
    """What was used in a period; `date` names a day of the person's own calendar, days without usage are left out."""

    period: str
    date_range: DateRange
    totals: Totals
    breakdown: Breakdown
    daily_usage: list[DaySums]
    quota_limits: list[QuotaOut]
    raw_data: list[DayOfModel]


def _canonical(value: Decimal) -> str:
    return str(value.normalize())
