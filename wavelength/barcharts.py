"""Figures over time as stacked bars, drawn without script: for the analytics in the admin."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 120
GAP: Final = 0.12  # of a slot, on either side of its bar
LAYERS: Final = 5  # with a colour of their own; the others are one
OTHERS: Final = "others"

# What there is of each label in each slot.
Series = Mapping[tuple[str, int], Decimal]


@dataclass(frozen=True, slots=True)
class Layer:
    """A label's part of every bar, as one path; `colour` is a class of static/css/analytics.css."""

    label: str
    total: Decimal
    colour: str
    d: str


@dataclass(frozen=True, slots=True)
class Row:
    """A slot in which there is anything, with a value for each layer."""

    slot: str
    values: list[Decimal]
    total: Decimal


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, and beneath them the same as a table, newest first. `total` is None where adding up would count twice."""

    title: str
    note: str
    is_money: bool
    layers: list[Layer]
    rows: list[Row]
    most: Decimal
    total: Decimal | None
    first: str
    last: str


def chart_of(
    title: str,
    series: Series,
    slots: Sequence[str],
    *,
    colours: Mapping[str, str] | None = None,
    is_money: bool = False,
    adds_up: bool = True,
    note: str = "",
) -> Chart:
    """The chart of a series over these slots, oldest first. `colours` names layers that stand first."""
    colours = colours or {}
    labels = _labels(series, colours)
    layered: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for (label, place), value in series.items():
        layered[label if label in labels else OTHERS, place] += value
    shown = labels if len({label for label, _ in series}) <= len(labels) else [*labels, OTHERS]
    totals = [sum((layered[label, place] for label in shown), Decimal(0)) for place in range(len(slots))]
    most = max(totals, default=Decimal(0))
    return Chart(
        title=title,
        note=note,
        is_money=is_money,
        layers=_layers(_coloured(shown, colours), layered, len(slots), most),
        rows=[
            Row(slots[place], [layered[label, place] for label in shown], totals[place])
            for place in reversed(range(len(slots)))
            if totals[place]
        ],
        most=most,
        total=sum(totals, Decimal(0)) if adds_up else None,
        first=slots[0],
        last=slots[-1],
    )


def _labels(series: Series, order: Iterable[str]) -> list[str]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for (label, _), value in series.items():
        totals[label] += value
    first = [label for label in order if label in totals]
    rest = sorted(totals.keys() - {*first}, key=lambda label: (-totals[label], label))
    return [*first, *rest][:LAYERS]


def _coloured(labels: Iterable[str], colours: Mapping[str, str]) -> dict[str, str]:
    """A colour for each label: its own, else that of its place."""
    own = {OTHERS: "other", **colours}
    return {label: own.get(label, str(place)) for place, label in enumerate(labels, 1)}


def _layers(labels: Mapping[str, str], layered: Series, slots: int, most: Decimal) -> list[Layer]:
    """One upon the other; every bar stands on the line."""
    width = WIDTH / slots
    tops = [float(HEIGHT)] * slots
    layers = []
    for label, colour in labels.items():
        pieces = []
        for place in range(slots):
            value = layered.get((label, place))
            if not value or not most:
                continue
            height = max(1.0, float(value / most) * HEIGHT)
            tops[place] = max(0.0, tops[place] - height)
            pieces.append(
                f"M{(place + GAP) * width:.1f} {tops[place]:.1f}h{width * (1 - 2 * GAP):.1f}v{height:.1f}"
                f"h{-width * (1 - 2 * GAP):.1f}z"
            )
        total = sum((layered.get((label, place), Decimal(0)) for place in range(slots)), Decimal(0))
        layers.append(Layer(label, total, colour, "".join(pieces)))
    return layers
