"""A batch of records as a client sends it: each is read by itself, so that a bad one spoils no other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NotRequired
from uuid import UUID

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from usage import bulk, columns
from usage.bulk import EPOCH, Batch, moment_of
from usage.columns import ID_LENGTH, StoredName
from usage.models import Source, UsageRecord
from usage.shapes import Cost, Count
from wavelength.faults import sentence_of
from wavelength.tenancy import tenant

MOST_RECORDS: Final = 10_000
AT_ONCE: Final = 1_000  # records that are read together
LATEST_HOURS: Final = 20
AHEAD: Final = timedelta(minutes=5)  # that a client's clock may be


def named(value: object) -> str:
    """A record's own id, text or a number, as text. Raises ValueError."""
    name = str(value) if type(value) in (str, int, float) else ""
    if not 0 < len(name) <= ID_LENGTH or "\0" in name:
        raise ValueError(f"This must be text of 1 to {ID_LENGTH} characters, or a number.")
    return name


def happened(value: object) -> datetime:
    """When a record happened: ISO 8601 (UTC where it names no zone), or milliseconds since 1970. Raises ValueError."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000, UTC)
        else:
            raise TypeError
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise ValueError("This must be a time such as 2026-11-24T08:30:00Z.") from None
    if moment < EPOCH:
        raise ValueError("This must be after the year 1999.")
    return moment


class Given(TypedDict):
    """One record as it is sent; null stands for what is not given."""

    provider: StoredName
    model: StoredName
    requestCount: NotRequired[Annotated[Count, Field(ge=1)] | None]
    inputTokens: NotRequired[Count | None]
    outputTokens: NotRequired[Count | None]
    reasoningTokens: NotRequired[Count | None]
    cachedTokens: NotRequired[Count | None]
    cost: NotRequired[Cost | None]
    timestamp: NotRequired[Annotated[datetime, PlainValidator(happened)] | None]
    id: NotRequired[Annotated[str, PlainValidator(named)] | None]


RECORD: Final = TypeAdapter(Given)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: why which places were refused; all others are counted."""

    total: int
    errors: Mapping[int, str]


def take_batch(*, user_id: UUID, given: list[Any]) -> Outcome:
    """Count what can be counted of a client's records, in one transaction; those with a known id add nothing."""
    errors: dict[int, str] = {}
    bulk.count(user_id=user_id, batch=_read(given, errors), source=Source.CLIENT)
    return Outcome(len(given), errors)


def latest_hours(*, user_id: UUID) -> list[UsageRecord]:
    """The hours of the ledger that a client's records changed last, the latest first."""
    with tenant(user_id):
        return list(UsageRecord.objects.filter(source=Source.CLIENT).order_by("-updated_at", "-pk")[:LATEST_HOURS])


def _read(given: list[Any], errors: dict[int, str]) -> Batch:
    """The records that are right; what is wrong with the others goes into `errors`, by its place."""
    latest = datetime.now(UTC) + AHEAD
    batch = Batch()
    for start in range(0, len(given), AT_ONCE):
        part = given[start : start + AT_ONCE]
        try:
            columns.read(part, batch, latest=moment_of(latest))
        except columns.DoubtError:
            _read_one_by_one(part, start, batch, latest, errors)
    return batch


def _read_one_by_one(part: list[Any], start: int, batch: Batch, latest: datetime, errors: dict[int, str]) -> None:
    for place, one in enumerate(part, start):
        try:
            _add(batch, _given(one), latest)
        except ValidationError as error:
            errors[place] = _sentence(error)
        except ValueError as error:
            errors[place] = str(error)


def _given(one: Any) -> Given:
    try:
        return RECORD.validate_python(one)
    except ValidationError:
        return RECORD.validate_python(_without_cleared(one))


def _without_cleared(one: Any) -> Any:
    return {name: value for name, value in one.items() if value != ""} if isinstance(one, dict) else one


def _sentence(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {sentence_of(fault)}" if field else sentence_of(fault)


def _add(batch: Batch, one: Given, latest: datetime) -> None:
    moment = one.get("timestamp")
    if moment is not None and moment > latest:
        raise ValueError("timestamp: This is in the future.")
    tokens = one.get("inputTokens") or 0
    cached = one.get("cachedTokens") or 0
    if cached > tokens:
        raise ValueError("cachedTokens: This must be at most inputTokens: cached tokens are among them.")
    cost = one.get("cost")
    batch.add(
        batch.number_of((one["provider"], one["model"])),
        one.get("requestCount") or 1,
        tokens,
        one.get("outputTokens") or 0,
        one.get("reasoningTokens") or 0,
        cached,
        None if cost is None else str(cost),
        None if moment is None else moment_of(moment),
        one.get("id"),
    )
