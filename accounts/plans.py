"""What a plan brings, as its owner reads it. The apps above this one know, and tell when they are ready."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from django.utils.functional import Promise

from accounts.models import Tier


@dataclass(frozen=True, slots=True)
class PlanPart:
    """One line of a plan: what, and how much of it."""

    title: str | Promise
    facts: list[str] = field(default_factory=list)


# Each answers what a tier brings of its kind.
TELLERS: Final[list[Callable[[Tier], Iterable[PlanPart]]]] = []


def plan_of(tier: Tier) -> list[PlanPart]:
    """Everything that a tier brings."""
    return [part for tell in TELLERS for part in tell(tier)]
