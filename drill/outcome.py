"""What a drill found, and the table of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drill.stage import Stage


@dataclass
class Outcome:
    """What one drill found; nothing may be lost, doubled or wrong."""

    times: int = 0  # what was broken, so often
    acknowledged: int = 0  # what the server said it did
    refused: int = 0  # 503 with Retry-After
    hung_up: int = 0  # no answer at all
    lost: int = 0  # acknowledged and not stored
    doubled: int = 0  # stored more often than it was sent
    recovered: float | None = None  # seconds until the next acknowledgement, at worst
    wrong: list[str] = field(default_factory=list)  # what must not be: sentences
    note: str = ""
    skipped: str = ""  # why there is nothing to tell

    @property
    def failed(self) -> bool:
        return bool(self.lost or self.doubled or self.wrong)


@dataclass(frozen=True)
class Drill:
    """One thing that breaks: `run` breaks it so often (or, for `endurance`, so many minutes) on a stage."""

    name: str
    what: str
    run: Callable[["Stage", int], Outcome]
    times: int
    short: int  # in the suite; 0 is not at all
    small_disk: bool = False  # on a volume of its own, which can be filled


def table(found: Sequence[tuple[Drill, Outcome]]) -> str:
    """The outcomes as Markdown."""
    lines = [
        "| drill | what | times | acknowledged | refused | no answer | lost | doubled | recovered in | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for drill, outcome in found:
        lines.append("| " + " | ".join(_cells(drill, outcome)) + " |")
    return "\n".join(lines)


def told(outcome: Outcome) -> dict[str, Any]:
    """As JSON carries it."""
    return vars(outcome)


def _cells(drill: Drill, outcome: Outcome) -> list[str]:
    if outcome.skipped:
        return [drill.name, drill.what, *["–"] * 7, f"skipped: {outcome.skipped}"]
    recovered = "–" if outcome.recovered is None else f"{outcome.recovered:.1f} s"
    figures = (outcome.times, outcome.acknowledged, outcome.refused, outcome.hung_up, outcome.lost, outcome.doubled)
    verdict = "FAILED: " + "; ".join(outcome.wrong[:3]) if outcome.failed else outcome.note
    return [drill.name, drill.what, *(f"{figure:,}" for figure in figures), recovered, verdict]
