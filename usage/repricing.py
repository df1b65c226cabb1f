"""Computing the ledger's costs again, after a price was corrected: of what was used nothing changes, nor any quota."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import connections

from accounts import audit
from usage import pricing
from usage.metering import Tokens
from usage.models import ModelPrice, UsageRecord
from usage.pricing import Rates
from usage.quotas import hold_usage
from wavelength.tenancy import tenant

BATCH: Final = 1000
NOTHING: Final = Decimal(0)

UPDATE: Final = """
    UPDATE usage_usagerecord r SET computed_cost = n.cost
      FROM unnest(%s::uuid[], %s::numeric[]) AS n (id, cost)
     WHERE r.user_id = %s AND r.id = n.id
"""


@dataclass(frozen=True, slots=True)
class Repriced:
    """Of so many rows, those whose cost changed, those whose cost is known no longer, and what the sum changed by."""

    rows: int = 0
    changed: int = 0
    forgotten: int = 0
    change: Decimal = NOTHING

    def __add__(self, other: "Repriced") -> "Repriced":
        return Repriced(
            self.rows + other.rows,
            self.changed + other.changed,
            self.forgotten + other.forgotten,
            self.change + other.change,
        )


def own_prices() -> Mapping[tuple[str, str], Rates]:
    """The administrators' prices, by provider and model."""
    return {(price.provider, price.model): pricing.own_rates(price) for price in ModelPrice.objects.all()}


def reprice(
    *, user_id: UUID, since: datetime, own: Mapping[tuple[str, str], Rates], dry_run: bool = False
) -> Generator[Repriced, None, None]:
    """Compute a person's costs anew from the hour that starts at `since`; answer of each batch once it is stored.

    The administrators' prices (`own`) are those of now, the listed ones those of each hour. Only `computed_cost`
    changes, and where no price is known any more it becomes null. Stopping leaves no batch half done, and doing it
    again changes nothing more. Each batch holds the person's lock, so their requests wait for it. With the first that
    changes something, the person's trail tells of it.
    """
    after: tuple[datetime, UUID] | None = None
    told = False
    while True:
        with tenant(user_id):
            if not dry_run:
                hold_usage(user_id)
            rows = _rows(user_id, since, after)
            costs = [_cost(row, own) for row in rows]
            changed = [(row, cost) for row, cost in zip(rows, costs, strict=True) if row.computed_cost != cost]
            if changed and not dry_run:
                with connections["default"].cursor() as cursor:
                    cursor.execute(UPDATE, [[row.pk for row, _ in changed], [cost for _, cost in changed], user_id])
                if not told:
                    audit.record(user_id, "usage.repriced", since=since.isoformat())
                told = True
        if not rows:
            return
        yield Repriced(
            rows=len(rows),
            changed=len(changed),
            forgotten=sum(cost is None for _, cost in changed),
            change=sum(((cost or NOTHING) - (row.computed_cost or NOTHING) for row, cost in changed), NOTHING),
        )
        after = rows[-1].hour, rows[-1].pk


def _rows(user_id: UUID, since: datetime, after: tuple[datetime, UUID] | None) -> list[UsageRecord]:
    rows = UsageRecord.objects.filter(user_id=user_id, hour__gte=since).order_by("hour", "id")
    if after is not None:
        hour, pk = after
        rows = rows.filter(hour__gte=hour).exclude(hour=hour, id__lte=pk)
    return list(rows[:BATCH])


def _cost(row: UsageRecord, own: Mapping[tuple[str, str], Rates]) -> Decimal | None:
    tokens = Tokens(row.input_tokens, row.output_tokens, row.reasoning_tokens, row.cached_tokens)
    rates = own.get((row.provider, row.model))
    if rates is not None:
        return pricing.cost_at(rates, tokens, row.request_count)
    return pricing.computed_cost(row.provider, row.model, tokens, row.request_count, row.hour)
