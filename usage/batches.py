"""A batch of records as a client sends it: each is read by itself, so that a bad one spoils no other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NotRequired
from uuid import UUID

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from usage.metering import AT_ONCE, BatchRecord, Tokens, record_batch
from usage.models import Source, UsageRecord
from usage.shapes import Cost, Count, Name
from wavelength.faults import sentence_of
from wavelength.tenancy import tenant

MOST_RECORDS: Final = 10_000
LATEST_HOURS: Final = 20
ID_LENGTH: Final = 255
AHEAD: Final = timedelta(minutes=5)  # that a client's clock may be
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


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
    if moment < EARLIEST:
        raise ValueError("This must be after the year 1999.")
    return moment


StoredName = Annotated[Name, Field(pattern=r"^[^\x00]*$")]


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
RECORDS: Final = TypeAdapter(list[Given])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: why which places were refused; all others are counted."""

    total: int
    errors: Mapping[int, str]


def take_batch(*, user_id: UUID, given: list[Any]) -> Outcome:
    """Count what can be counted of a client's records, in one transaction; those with a known id add nothing."""
    errors: dict[int, str] = {}
    record_batch(user_id=user_id, records=_records(given, errors))
    return Outcome(len(given), errors)


def latest_hours(*, user_id: UUID) -> list[UsageRecord]:
    """The hours of the ledger that a client's records changed last, the latest first."""
    with tenant(user_id):
        return list(UsageRecord.objects.filter(source=Source.CLIENT).order_by("-updated_at", "-pk")[:LATEST_HOURS])


def _records(given: list[Any], errors: dict[int, str]) -> Iterator[BatchRecord]:
    """The records that are right; what is wrong with the others goes into `errors`, by its place."""
    latest = datetime.now(UTC) + AHEAD
    for start in range(0, len(given), AT_ONCE):
        for place, one in _read(given[start : start + AT_ONCE], start, errors):
            try:
                yield _record(one, latest)
            except ValueError as error:
                errors[place] = str(error)


def _read(given: list[Any], start: int, errors: dict[int, str]) -> list[tuple[int, Given]]:
    try:
        return list(enumerate(RECORDS.validate_python(given), start))
    except ValidationError as error:
        wrong = {int(fault["loc"][0]) + start for fault in error.errors(include_url=False, include_input=False)}
    read = []
    for place, one in enumerate(given, start):
        try:
            read.append((place, RECORD.validate_python(_without_cleared(one) if place in wrong else one)))
        except ValidationError as error:
            errors[place] = _sentence(error)
    return read


def _without_cleared(one: Any) -> Any:
    return {name: value for name, value in one.items() if value != ""} if isinstance(one, dict) else one


def _sentence(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {sentence_of(fault)}" if field else sentence_of(fault)


def _record(one: Given, latest: datetime) -> BatchRecord:
    moment = one.get("timestamp")
    if moment is not None and moment > latest:
        raise ValueError("timestamp: This is in the future.")
    tokens = one.get("inputTokens") or 0
    cached = one.get("cachedTokens") or 0
    if cached > tokens:
        raise ValueError("cachedTokens: This must be at most inputTokens: cached tokens are among them.")
    return BatchRecord(
        one["provider"],
        one["model"],
        Tokens(tokens, one.get("outputTokens") or 0, one.get("reasoningTokens") or 0, cached),
        one.get("requestCount") or 1,
        one.get("cost"),
        one.get("id"),
        moment,
    )
