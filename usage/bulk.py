"""Many records counted at once: each is worked out here, and PostgreSQL gets the rows that come of them.

Column by column, because what Python does for a whole column takes a fraction of what it does record by record.
The functions in the database are those of usage/migrations/0016_batches.py.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import compress, repeat
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import orjson
from django.db import connections

from usage import arrays, pricing
from usage.models import Source
from wavelength.ids import uuid7
from wavelength.metrics import USAGE_RECORDED
from wavelength.tenancy import tenant
from wavelength.tenancy.base import DatabaseWrapper

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
HOUR: Final = timedelta(hours=1) // MICROSECOND
DAY: Final = timedelta(days=1) // MICROSECOND

T = TypeVar("T")


@dataclass(slots=True)
class Batch:
    """Records, column by column. Cached tokens are among the input, never more.

    `models` numbers each provider and model that occurs, from 0, and `of` says which one a record is of. `costs` are
    dollars as numbers are written, `moments` microseconds since 2000 (EPOCH), `names` the clients' own ids, which are
    counted once however often they come; each null where nothing is known, and a moment that is not known is now.
    """

    models: dict[tuple[str, str], int] = field(default_factory=dict)
    of: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    reasonings: list[int] = field(default_factory=list)
    caches: list[int] = field(default_factory=list)
    costs: list[str | None] = field(default_factory=list)
    moments: list[int | None] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    def number_of(self, model: tuple[str, str]) -> int:
        return self.models.setdefault(model, len(self.models))

    def add(self, *record: Any) -> None:
        """Add one record: a value for each column, `of` first."""
        for it, value in zip(fields(self)[1:], record, strict=True):
            getattr(self, it.name).append(value)

    def extend(self, columns: Iterable[Sequence[Any]]) -> None:
        """Add several records: a list for each column, `of` first."""
        for it, values in zip(fields(self)[1:], columns, strict=True):
            getattr(self, it.name).extend(values)

    def reversed(self) -> "Batch":
        """The same, the last record first."""
        return Batch(self.models, *(getattr(self, it.name)[::-1] for it in fields(self)[1:]))

    def only(self, chosen: Sequence[bool]) -> "Batch":
        """The chosen records."""
        return Batch(self.models, *(list(compress(getattr(self, it.name), chosen)) for it in fields(Batch)[1:]))


def moment_of(at: datetime) -> int:
    """An aware time as a batch has it."""
    return (at - EPOCH) // MICROSECOND


def count(*, user_id: UUID, batch: Batch, source: Source, at: datetime | None = None) -> int:
    """Count all of it in one transaction, as if each record had been recorded by itself; answer how many were new."""
    batch = _each_name_once(batch)
    if not batch.of:
        return 0
    if (batch.moments[0] or 0) > (batch.moments[-1] or 0):
        # Clients say the latest first. The ledger's key fills its pages better the other way round.
        batch = batch.reversed()
    with tenant(user_id):
        opened = _opened(user_id, batch, source, at)
        known = set(opened["known"])
        if known:
            batch = batch.only([name not in known for name in batch.names])
        if batch.of:
            _add(user_id, batch, source, opened)
    USAGE_RECORDED.labels("batch").inc(len(batch.of))
    return len(batch.of)


def _each_name_once(batch: Batch) -> Batch:
    named = len(batch.names) - batch.names.count(None)
    if not named or len({*batch.names} - {None}) == named:
        return batch
    seen: set[str | None] = set()
    first = []
    for name in batch.names:
        first.append(name is None or name not in seen)
        seen.add(name)
    return batch.only(first)


def _opened(user_id: UUID, batch: Batch, source: Source, at: datetime | None) -> Mapping[str, Any]:
    moments = [moment for moment in batch.moments if moment is not None]
    ends = [(EPOCH + moment * MICROSECOND).isoformat() for moment in (min(moments), max(moments))] if moments else []
    answer = _call(
        "usage_batch_open",
        str(user_id),
        source,
        arrays.texts([name for name in batch.names if name is not None]),
        *_texts_of(batch),
        arrays.small_numbers([*{moment // DAY for moment in moments}]),
        *(ends or (None, None)),
        None if at is None else at.isoformat(),
    )
    opened: dict[str, Any] = orjson.loads(answer)
    return opened


def _add(user_id: UUID, batch: Batch, source: Source, opened: Mapping[str, Any]) -> None:
    now, cuts = opened["at"], opened["cuts"]
    moments = [now if moment is None or moment > now else moment for moment in batch.moments]
    places = list(map(bisect_right, repeat(cuts), moments))
    # Each hour begins a whole number of hours after the last cut.
    hours = [moment - (moment - cuts[place - 1]) % HOUR for moment, place in zip(moments, places, strict=True)]
    computed = pricing.computed_costs(
        list(batch.models),
        zip(batch.of, batch.requests, batch.inputs, batch.outputs, batch.reasonings, batch.caches, strict=True),
        own=dict(_own_rates(opened)),
        at=lambda place: EPOCH + moments[place] * MICROSECOND,
    )
    rows = _Rows(
        of=batch.of,
        cuts=places,
        hours=hours,
        requests=batch.requests,
        unpriced=_unpriced(batch, computed),
        inputs=batch.inputs,
        outputs=batch.outputs,
        reasonings=batch.reasonings,
        caches=batch.caches,
        costs=[both if cost is None else cost for cost, both in zip(batch.costs, computed, strict=True)],
        computed=computed,
    ).folded()
    _call(
        "usage_batch_add",
        str(user_id),
        source,
        "true" if opened["occupied"] else "false",
        (EPOCH + now * MICROSECOND).isoformat(),
        *_texts_of(batch),
        arrays.identifiers(uuid7(), len(rows.of)),
        arrays.small_numbers([place + 1 for place in rows.of]),
        arrays.small_numbers(rows.cuts),
        arrays.moments(rows.hours),
        _unless_all(1, rows.requests),
        _unless_all(0, rows.unpriced),
        arrays.numbers(rows.inputs),
        arrays.numbers(rows.outputs),
        _unless_all(0, rows.reasonings),
        _unless_all(0, rows.caches),
        arrays.amounts(rows.costs),
        arrays.amounts(rows.computed),
    )


def _own_rates(opened: Mapping[str, Any]) -> Iterator[tuple[int, pricing.Rates]]:
    for place, given, answered, thought, cached, request in opened["prices"]:
        yield (
            place,
            pricing.rates_of(Decimal(given), Decimal(answered), _decimal(thought), _decimal(cached), Decimal(request)),
        )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _unpriced(batch: Batch, computed: Sequence[str | None]) -> list[int]:
    """How many requests of each record have no cost."""
    if None not in computed or None not in batch.costs:
        return [0] * len(computed)
    return [
        requests if cost is None and both is None else 0
        for requests, cost, both in zip(batch.requests, batch.costs, computed, strict=True)
    ]


@dataclass(slots=True)
class _Rows:
    """Rows for the ledger, column by column."""

    of: list[int]
    cuts: list[int]
    hours: list[int]
    requests: list[int]
    unpriced: list[int]
    inputs: list[int]
    outputs: list[int]
    reasonings: list[int]
    caches: list[int]
    costs: list[str | None]
    computed: list[str | None]

    def folded(self) -> "_Rows":
        """Those of one model and hour added up."""
        if len(set(zip(self.of, self.hours, strict=True))) == len(self.of):
            return self
        places: dict[tuple[int, int], int] = {}
        row_of = [places.setdefault(key, len(places)) for key in zip(self.of, self.hours, strict=True)]
        cuts = dict(zip(row_of, self.cuts, strict=True))

        def sums(column: list[int]) -> list[int]:
            return _sums(column, row_of, len(places))

        return _Rows(
            of=[model for model, _ in places],
            cuts=[cuts[row] for row in range(len(places))],
            hours=[hour for _, hour in places],
            requests=sums(self.requests),
            unpriced=sums(self.unpriced),
            inputs=sums(self.inputs),
            outputs=sums(self.outputs),
            reasonings=sums(self.reasonings),
            caches=sums(self.caches),
            costs=_sums_of_amounts(self.costs, row_of, len(places)),
            computed=_sums_of_amounts(self.computed, row_of, len(places)),
        )


def _sums(values: Iterable[int], row_of: Iterable[int], rows: int) -> list[int]:
    sums = [0] * rows
    for value, row in zip(values, row_of, strict=True):
        sums[row] += value
    return sums


def _sums_of_amounts(values: Iterable[str | None], row_of: Iterable[int], rows: int) -> list[str | None]:
    """The same for dollars, each rounded as the ledger keeps it; None where none of a row is known."""
    sums: list[Decimal | None] = [None] * rows
    for value, row in zip(values, row_of, strict=True):
        if value is not None:
            sums[row] = (sums[row] or pricing.ZERO) + pricing.rounded(Decimal(value))
    return [None if amount is None else str(amount) for amount in sums]


def _unless_all(usual: int, values: Sequence[int]) -> bytes | None:
    return None if values.count(usual) == len(values) else arrays.numbers(values)


def _texts_of(batch: Batch) -> tuple[str, str]:
    providers, models = zip(*batch.models, strict=True)
    return arrays.texts(providers), arrays.texts(models)


def _call(function: str, *arguments: str | bytes | None) -> str:
    answer = cast("DatabaseWrapper", connections["default"]).call(function, *arguments)[0]
    return answer or ""
