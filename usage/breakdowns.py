"""The same figures by model, provider, source and time, as tables that sort."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from usage.asking import Asked, Sort
from usage.charts import Timeline
from usage.naming import full_name, short_names
from usage.reports import Report, Share, Sums
from wavelength.templatetags.figures import in_percent

ROWS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `url` sorts by it, and `order` says how it is sorted, as aria-sort does, or nothing."""

    label: str
    url: str
    order: str
    is_figure: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a breakdown: `url` narrows the report down to it; empty for all the others together.

    `order` is what sorts it by name. `share` is its part of the cost, or of the requests where no cost is known.
    """

    name: str
    short: str
    order: str
    provider: str
    url: str
    sums: Sums
    share: str


_KEYS: Final[dict[str, Callable[[Row], Any]]] = {
    "name": lambda row: row.order,
    "requests": lambda row: row.sums.requests,
    "tokens": lambda row: row.sums.tokens,
    # What is not known comes after what is nothing.
    "cost": lambda row: -1 if row.sums.cost is None else row.sums.cost,
}


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The same figures by something; `label` names the table."""

    name: str
    title: str
    label: str
    columns: list[Column]
    rows: list[Row]


def breakdowns_of(report: Report, timeline: Timeline, asked: Asked) -> list[Breakdown]:
    """By model, provider and source, each row of which narrows down to it, and by time."""
    tables = [
        ("model", _("By model"), _("Requests, tokens and cost by model"), _("Model"), report.models),
        ("provider", _("By provider"), _("Requests, tokens and cost by provider"), _("Provider"), report.providers),
        ("source", _("By source"), _("Requests, tokens and cost by source"), _("Source"), report.sources),
    ]
    found = [
        Breakdown(name, title, label, _columns(head, asked), _shown(_rows(shares, asked), asked.sort))
        for name, title, label, head, shares in tables
    ]
    rows = [Row(slot.name, slot.name, slot.iso, "", "", slot.sums, "") for slot in timeline.slots if slot.sums.requests]
    label = _("Requests, tokens and cost by time")
    over_time = Breakdown("time", _("By time"), label, _columns(timeline.unit, asked), _shown(rows, asked.sort))
    return [*found, over_time]


def percent(part: Decimal | int, whole: Decimal | int) -> str:
    """Of the whole, in whole per cent; below one, ``<1%``."""
    if not whole:
        return ""
    share = Decimal(part) * 100 / Decimal(whole)
    return f"<{in_percent('1')}" if 0 < share < Decimal("0.5") else in_percent(number_format(round(share)))


def _columns(head: str, asked: Asked) -> list[Column]:
    labels = {"name": head, "requests": _("Requests"), "tokens": _("Tokens"), "cost": _("Cost")}
    return [_column(name, label, asked) for name, label in labels.items()]


def _column(name: str, label: str, asked: Asked) -> Column:
    here = asked.sort.column == name
    falls = not asked.sort.falls if here else name != "name"
    url = asked.but(sort=Sort(f"-{name}" if falls else name)).address()
    order = "descending" if asked.sort.falls else "ascending"
    return Column(label, url, order if here else "", name != "name")


def _rows(shares: Sequence[Share], asked: Asked) -> list[Row]:
    rows = []
    for (origin, sums), short in zip(shares, short_names([share.origin for share in shares]), strict=True):
        url = asked.but(only=origin.within(asked.only)).address()
        rows.append(Row(full_name(origin), short, short.casefold(), origin.provider, url, sums, ""))
    return rows


def _shown(rows: list[Row], sort: Sort) -> list[Row]:
    total = _together(row.sums for row in rows)
    found = sorted(rows, key=_KEYS[sort.column], reverse=sort.falls)
    if rest := found[ROWS_SHOWN:]:
        others = _("All the others")
        found = [*found[:ROWS_SHOWN], Row(others, others, "", "", "", _together(row.sums for row in rest), "")]
    return [_with_share(row, total) for row in found]


def _with_share(row: Row, total: Sums) -> Row:
    """Of the cost, or of the requests where no cost is known."""
    if total.cost:
        return replace(row, share=percent(row.sums.known_cost, total.cost))
    return replace(row, share=percent(row.sums.requests, total.requests))


def _together(all_sums: Iterable[Sums]) -> Sums:
    return sum(all_sums, Sums())
