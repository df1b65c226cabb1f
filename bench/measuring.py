"""What a row of the table is: how it is measured, what it is held against and what it has to reach."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from statistics import mean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Target:
    """The bound that the median ratio must keep."""

    bound: float
    at_most: bool

    def met_by(self, ratio: float) -> bool:
        return ratio <= self.bound if self.at_most else ratio >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}×"


def at_most(bound: float) -> Target:
    return Target(bound, at_most=True)


def at_least(bound: float) -> Target:
    return Target(bound, at_most=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: our figure and the reference's, in the row's unit, taken one right after the other.

    `beside` are further figures of the same run, by the words that are printed with them.
    """

    ours: float
    reference: float
    beside: Mapping[str, float] = field(default_factory=dict)


def by_turns(ours: Callable[[], float], reference: Callable[[], float]) -> Sample:
    """One run of two tries each, within which what slows the machine down slows both."""
    first, before = ours(), reference()
    after, last = reference(), ours()
    return Sample(mean((first, last)), mean((before, after)))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `measure` prepares what it needs and then yields one sample for each run, as many as it is asked for.
    Without a target the row is reported and cannot fail.
    """

    name: str
    subject: str
    reference: str
    unit: str
    measure: "Callable[[Stage], Iterator[Sample]]"
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The samples of one row, and what they come to."""

    row: Row
    samples: list[Sample]

    @property
    def ratios(self) -> list[float]:
        return [sample.ours / sample.reference for sample in self.samples]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def missed(self) -> bool:
        return self.row.target is not None and not self.row.target.met_by(self.ratio)

    def median_of(self, figure: Callable[[Sample], float]) -> float:
        return median(figure(sample) for sample in self.samples)

    def beside(self) -> dict[str, float]:
        """The medians of the further figures."""
        return {words: median(sample.beside[words] for sample in self.samples) for words in self.samples[0].beside}


def measured(row: Row, stage: "Stage", *, runs: int) -> Outcome:
    """Take `runs` samples of a row; whatever it started is stopped on return."""
    samples = row.measure(stage)
    try:
        return Outcome(row, list(islice(samples, runs)))
    finally:
        close = getattr(samples, "close", None)
        if close is not None:
            close()
