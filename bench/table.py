"""The outcomes as text."""

from collections.abc import Sequence

from bench.measuring import Outcome

HEADINGS = ("row", "what", "ours", "reference", "ratio", "lowest – highest", "to reach", "")


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table whose columns also line up in a terminal, and the figures beside it."""
    lines = [HEADINGS, *(_cells(outcome) for outcome in outcomes)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    drawn = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([*drawn, "", *map(_footnote, outcomes)])


def _cells(outcome: Outcome) -> tuple[str, ...]:
    row, ratios = outcome.row, outcome.ratios
    return (
        row.name,
        row.subject,
        f"{_figure(outcome.median_of(lambda sample: sample.ours))} {row.unit}",
        f"{_figure(outcome.median_of(lambda sample: sample.reference))} {row.unit}",
        f"{outcome.ratio:.2f}×",
        f"{min(ratios):.2f} – {max(ratios):.2f}",
        str(row.target or "reported"),
        "" if row.target is None else "MISSED" if outcome.missed else "met",
    )


def _footnote(outcome: Outcome) -> str:
    beside = "".join(f"; {words} {_figure(figure)}" for words, figure in outcome.beside().items())
    return f"{outcome.row.name}: against {outcome.row.reference}{beside}."


def _figure(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
