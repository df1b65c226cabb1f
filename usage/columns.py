"""Records with nothing wrong in them, read column by column: in a fifth of the time that looking at each takes.

What is taken here is taken as usage/batches.py takes it, record by record; whatever is in doubt is left to that.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import repeat
from math import isfinite
from types import NoneType
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from usage.bulk import EPOCH, MICROSECOND, Batch
from usage.metering import MOST
from usage.shapes import MOST_DOLLARS, Name

ID_LENGTH: Final = 255
MILLISECONDS_TO_EPOCH: Final = round(EPOCH.timestamp() * 1000)

StoredName = Annotated[Name, Field(pattern=r"^[^\x00]*$")]
_MODEL: Final = TypeAdapter(tuple[StoredName, StoredName])


class DoubtError(ValueError):
    """Something may be wrong with one of the records."""


def read(given: Sequence[Any], batch: Batch, *, latest: int) -> None:
    """Add all of these records, or none and raise DoubtError. Moments (EPOCH) are from 0 to `latest`."""
    if set(map(type, given)) != {dict}:
        raise DoubtError
    inputs = _counts(given, "inputTokens")
    caches = _counts(given, "cachedTokens")
    if any(caches) and any(map(int.__gt__, caches, inputs)):
        raise DoubtError
    columns = (
        _models(given, batch),
        _counts(given, "requestCount", least=1),
        inputs,
        _counts(given, "outputTokens"),
        _counts(given, "reasoningTokens"),
        caches,
        _costs(given),
        _moments(given, latest),
        _names(given),
    )
    batch.extend(columns)


def _models(given: Sequence[Any], batch: Batch) -> list[int]:
    models = list(zip(_all(given, "provider"), _all(given, "model"), strict=True))
    try:
        numbers = {model: batch.number_of(_MODEL.validate_python(model)) for model in set(models)}
    except (TypeError, ValidationError):
        raise DoubtError from None
    return [numbers[model] for model in models]


def _counts(given: Sequence[Any], name: str, *, least: int = 0) -> list[int]:
    values = _all(given, name)
    kinds = set(map(type, values))
    if NoneType in kinds:
        values = [least if value is None else value for value in values]
        kinds.remove(NoneType)
    # By its type, because true is no count.
    if kinds - {int} or min(values) < least or max(values) > MOST:
        raise DoubtError
    return values


def _costs(given: Sequence[Any]) -> list[str | None]:
    values = _all(given, "cost")
    numbers = [value for value in values if value is not None]
    if not numbers:
        return values
    if set(map(type, numbers)) - {int, float} or not isfinite(sum(numbers)):
        raise DoubtError
    if min(numbers) < 0 or max(numbers) > MOST_DOLLARS:
        raise DoubtError
    if len(numbers) == len(values):
        return list(map(repr, values))
    return [None if value is None else repr(value) for value in values]


def _moments(given: Sequence[Any], latest: int) -> list[int | None]:
    values = _all(given, "timestamp")
    kinds = set(map(type, values))
    if kinds == {NoneType}:
        return values
    if kinds == {str}:
        try:
            # What names no zone has no distance from EPOCH.
            since = list(map(datetime.__sub__, map(datetime.fromisoformat, values), repeat(EPOCH)))
        except (TypeError, ValueError):
            raise DoubtError from None
        moments = [each // MICROSECOND for each in since]
    elif kinds == {int}:
        moments = [(value - MILLISECONDS_TO_EPOCH) * 1000 for value in values]
    else:
        raise DoubtError
    if min(moments) < 0 or max(moments) > latest:
        raise DoubtError
    return [*moments]


def _names(given: Sequence[Any]) -> list[str | None]:
    values = _all(given, "id")
    kinds = set(map(type, values))
    if kinds == {NoneType}:
        return values
    if kinds != {str} or not min(map(len, values)) or max(map(len, values)) > ID_LENGTH or "\0" in "".join(values):
        raise DoubtError
    return values


def _all(given: Sequence[Any], name: str) -> list[Any]:
    return [one.get(name) for one in given]
