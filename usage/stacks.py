"""Usage over time, stacked by model or provider: the figures as a table, and the same drawn without script."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from django.utils.translation import gettext as _

from usage.asking import Asked
from usage.charts import HEIGHT, WIDTH, ShownSlot
from usage.naming import full_name, short_names
from usage.reports import STACKS, Origin, Stack, Sums
from wavelength.templatetags.figures import count, exact, money
from wavelength.templatetags.portal import MARKS

GAP: Final = 0.15  # of a slot, on either side of its bar


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of the stacks: a model, a provider, or all the others; `colour` names it in static/css/usage.css."""

    name: str
    title: str
    url: str
    colour: str


class Cell(NamedTuple):
    """A figure: to its last digit, and as it is shown."""

    exact: str
    text: str


class Layer(NamedTuple):
    """A series as one path of an SVG."""

    colour: str
    d: str


@dataclass(frozen=True, slots=True)
class StackRow:
    """A slot with usage, `place` counting the slots from the oldest; a cell is None where nothing was used."""

    place: int
    name: str
    total: Cell
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class StackedChart:
    """One figure over time: `paths` draw it, one for each series; `rows` are the same as a table, newest first.

    `slots` is a JSON list of every slot's short name.
    """

    name: str
    label: str
    is_money: bool
    most: Decimal
    slots: str
    first: str
    last: str
    paths: list[Layer]
    rows: list[StackRow]


class _Kind(NamedTuple):
    name: str
    label: str
    figure: Callable[[Sums], Decimal | int | None]
    write: Callable[[Decimal | int | None], str]


def series_of(stacks: Sequence[Stack], asked: Asked) -> list[Series]:
    """A name and a colour for each."""
    named = [stack.origin for stack in stacks[:STACKS]]
    series = [
        Series(short, full_name(origin), asked.but(only=origin.within(asked.only)).address(), _colour(origin, place))
        for place, (origin, short) in enumerate(zip(named, short_names(named), strict=True), 1)
    ]
    if stacks[STACKS:]:
        series.append(Series(_("Others"), _("All the others"), "", "other"))
    return series


def colour_of(provider: str, place: int) -> str:
    """Its own, as in its mark, else that of its place."""
    return MARKS.get(provider, str(place))


def stacked_charts(stacks: Sequence[Stack], series: Sequence[Series], slots: Sequence[ShownSlot]) -> list[StackedChart]:
    """Cost, requests and tokens, those of which there is anything; `series` are the names of `stacks`."""
    kinds = [
        _Kind("cost", _("Cost"), lambda sums: sums.cost, money),
        _Kind("requests", _("Requests"), lambda sums: sums.requests, _count),
        _Kind("tokens", _("Tokens"), lambda sums: sums.tokens, _count),
    ]
    charts = [_chart(kind, stacks, series, slots) for kind in kinds]
    return [chart for chart in charts if chart.most]


def _colour(origin: Origin, place: int) -> str:
    return str(place) if origin.model else colour_of(origin.provider, place)


def _chart(kind: _Kind, stacks: Sequence[Stack], series: Sequence[Series], slots: Sequence[ShownSlot]) -> StackedChart:
    most = Decimal(max(kind.figure(slot.sums) or 0 for slot in slots))
    rows = [
        StackRow(
            place,
            slot.name,
            _cell(kind, slot.sums),
            [_cell(kind, stack.slots[slot.slot]) if slot.slot in stack.slots else None for stack in stacks],
        )
        for place, slot in enumerate(slots)
        if slot.sums.requests
    ]
    return StackedChart(
        name=kind.name,
        label=kind.label,
        is_money=kind.write is money,
        most=most,
        slots=json.dumps([slot.short for slot in slots], ensure_ascii=False),
        first=slots[0].short,
        last=slots[-1].short,
        paths=[
            Layer(named.colour, d)
            for named, d in zip(series, _paths(kind, stacks, slots, float(most) or 1), strict=True)
        ],
        rows=rows[::-1],
    )


def _cell(kind: _Kind, sums: Sums) -> Cell:
    figure = kind.figure(sums)
    return Cell("", kind.write(None)) if figure is None else Cell(exact(figure), kind.write(figure))


def _paths(kind: _Kind, stacks: Sequence[Stack], slots: Sequence[ShownSlot], most: float) -> list[str]:
    """A path for each stack, one upon the other."""
    width = WIDTH / len(slots)
    bar = width * (1 - 2 * GAP)
    tops = dict.fromkeys((slot.slot for slot in slots), float(HEIGHT))
    paths = []
    for stack in stacks:
        pieces = []
        for place, slot in enumerate(slots):
            figure = kind.figure(stack.slots[slot.slot]) if slot.slot in stack.slots else None
            if not figure:
                continue
            height = float(figure) / most * HEIGHT
            tops[slot.slot] -= height
            pieces.append(f"M{(place + GAP) * width:.1f} {tops[slot.slot]:.2f}h{bar:.1f}v{height:.2f}h{-bar:.1f}z")
        paths.append("".join(pieces))
    return paths


def _count(value: Decimal | int | None) -> str:
    return count(None if value is None else int(value))
