"""Which other models of a maker could have answered: newer ones of the same size, and smaller ones of the same kind.

Told by their names alone, which say maker, generation and size: a name that says more (audio, image, search, a
preview) is no plain model, and nothing is known of its kin.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from usage.pricing import names_sold

# A family's sizes, the largest first; "" is the one without a word for it.
SIZES: Final[dict[str, tuple[str, ...]]] = {
    "gpt": ("pro", "", "mini", "nano"),
    "o": ("pro", "", "mini"),
    "claude": ("opus", "sonnet", "haiku"),
    "gemini": ("pro", "flash", "flash-lite"),
    "grok": ("", "mini"),
}
PATTERNS: Final = (
    re.compile(r"(?P<family>gpt)-(?P<major>\d+o?)(?:\.(?P<minor>\d+))?(?:-(?P<size>pro|mini|nano))?"),
    re.compile(r"(?P<family>o)(?P<major>\d+)(?P<minor>)(?:-(?P<size>pro|mini))?"),
    re.compile(r"(?P<family>claude)-(?P<size>opus|sonnet|haiku)-(?P<major>\d+)(?:[-.](?P<minor>\d))?"),
    re.compile(r"(?P<family>claude)-(?P<major>\d+)(?:[-.](?P<minor>\d))?-(?P<size>opus|sonnet|haiku)"),
    re.compile(r"(?P<family>gemini)-(?P<major>\d+)(?:\.(?P<minor>\d+))?-(?P<size>pro|flash-lite|flash)"),
    re.compile(r"(?P<family>grok)-(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:-(?P<size>mini))?"),
)
# A day of release, or the wish for the latest, names the same model.
DATED: Final = re.compile(r"-(20\d{6}|20\d\d-\d\d-\d\d|latest)$")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a model's name says of it; `size` counts from the largest of its family."""

    family: str
    major: str
    minor: int
    size: int


def kin_of(provider: str, model: str) -> list[str]:
    """Models that `provider` sells and that may stand in for one, as a client would name them, the nearest first.

    First newer ones of the same generation and size, the newest first; then the next smaller sizes of that generation,
    those of the same version before others. Whether they cost less, their prices say.
    """
    prefix, slash, name = model.rpartition("/")
    kind = kind_of(name)
    if kind is None:
        return []
    found = sorted((_distance(kind, other), sold) for sold, other in _sold(provider, prefix, kind.family, kind.major))
    return [f"{prefix}{slash}{sold}" for distance, sold in found if distance > (0, 0, 0)]


@lru_cache(maxsize=1024)
def kind_of(name: str) -> Kind | None:
    """What the name of a plain model says, without its maker's; None of any other."""
    plain = DATED.sub("", name.lower())
    for pattern in PATTERNS:
        if said := pattern.fullmatch(plain):
            family = said["family"]
            size = SIZES[family].index(said["size"] or "")
            return Kind(family, said["major"], int(said["minor"] or 0), size)
    return None


def _sold(provider: str, prefix: str, family: str, major: str) -> Iterator[tuple[str, Kind]]:
    for listed in names_sold(provider):
        maker, _, name = listed.rpartition("/")
        kind = kind_of(name) if maker in ("", prefix) else None
        if kind and (kind.family, kind.major) == (family, major):
            yield name, kind


def _distance(kind: Kind, other: Kind) -> tuple[int, int, int]:
    """How far `other` is from the model; nothing, or less, where it is larger or older."""
    smaller, newer = other.size - kind.size, other.minor - kind.minor
    if smaller == 0:
        return (0, 1, -newer) if newer > 0 else (0, 0, 0)
    return (smaller, 0 if newer == 0 else 1, -other.minor)
