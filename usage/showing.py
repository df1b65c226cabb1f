"""A report as the pages show it: words, charts, tables and the addresses of other reports."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from usage.charts import Chart, Slot, chart_of, timeline_of
from usage.comparing import change
from usage.forms import SPANS
from usage.models import Source
from usage.reports import ANYWHERE, Origin, Report, Share, Span, Sums
from wavelength.names import provider_label
from wavelength.templatetags.portal import model_name

ROWS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """One period to switch to."""

    label: str | Promise
    url: str
    here: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a breakdown: `url` narrows the report down to it; empty for all the others together.

    `short` leaves out a model's maker, whose mark stands before it, unless two models would be called the same.
    """

    name: str
    short: str
    provider: str
    url: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The same figures by something; `label` names the table."""

    title: str
    label: str
    head: list[str]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: in all, against the period before, and over time. A cost is None where none is known."""

    total: Decimal | int | None
    change: str
    chart: Chart


@dataclass(frozen=True, slots=True)
class ShownReport:
    """`slots` are those with usage, newest first; `head` names their table's columns."""

    totals: Sums
    is_all: bool
    is_narrowed: bool
    span: Span
    periods: list[Choice]
    whole_url: str
    all_url: str
    cost: Figure
    requests: Figure
    tokens: Figure
    head: list[str]
    slots: list[Slot]
    breakdowns: list[Breakdown]


def shown_report(report: Report, only: Origin = ANYWHERE) -> ShownReport:
    """The report that was asked for with these filters."""
    timeline = timeline_of(report)
    slots = timeline.slots
    now, before, span = report.totals, report.before or Sums(), report.span
    cost = now.cost if now.requests else Decimal(0)
    figures = [_("Requests"), _("Tokens"), _("Cost")]
    return ShownReport(
        totals=now,
        is_all=span is Span.ALL,
        is_narrowed=only != ANYWHERE,
        span=span,
        periods=[Choice(label, _address(other, only), other is span) for other, label in SPANS.items()],
        whole_url=_address(span, ANYWHERE),
        all_url=_address(Span.ALL, only),
        cost=Figure(cost, change(cost, before.cost, span), chart_of(slots, lambda sums: sums.known_cost)),
        requests=Figure(
            now.requests, change(now.requests, before.requests, span), chart_of(slots, lambda sums: sums.requests)
        ),
        tokens=Figure(now.tokens, change(now.tokens, before.tokens, span), chart_of(slots, lambda sums: sums.tokens)),
        head=[timeline.unit, *figures],
        slots=[slot for slot in reversed(slots) if slot.sums.requests],
        breakdowns=[
            Breakdown(
                _("By model"),
                _("Requests, tokens and cost by model"),
                [_("Model"), *figures],
                _rows(report.models, span, only),
            ),
            Breakdown(
                _("By provider"),
                _("Requests, tokens and cost by provider"),
                [_("Provider"), *figures],
                _rows(report.providers, span, only),
            ),
            Breakdown(
                _("By source"),
                _("Requests, tokens and cost by source"),
                [_("Source"), *figures],
                _rows(report.sources, span, only),
            ),
        ],
    )


def _rows(shares: Sequence[Share], span: Span, only: Origin) -> list[Row]:
    called = Counter(model_name(share.origin.model) for share in shares)
    rows = []
    for origin, sums in shares[:ROWS_SHOWN]:
        name, short = _name(origin), model_name(_name(origin)) if origin.model else provider_label(_name(origin))
        url = _address(span, _narrowed(only, origin))
        rows.append(Row(name, name if origin.model and called[short] > 1 else short, origin.provider, url, sums))
    if rest := shares[ROWS_SHOWN:]:
        others = _("All the others")
        rows.append(Row(others, others, "", "", _together(rest)))
    return rows


def _name(origin: Origin) -> str:
    return origin.model or origin.provider or str(Source(origin.source).label)


def _narrowed(only: Origin, to: Origin) -> Origin:
    return Origin(to.provider or only.provider, to.model or only.model, to.source or only.source)


def _together(shares: Iterable[Share]) -> Sums:
    return sum((share.sums for share in shares), Sums())


def _address(span: Span, only: Origin) -> str:
    query = {"period": span.value, **{name: value for name, value in only.named().items() if value}}
    if span is Span.MONTH:
        del query["period"]
    return f"{reverse('usage:report')}?{urlencode(query)}" if query else reverse("usage:report")
