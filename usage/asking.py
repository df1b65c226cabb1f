"""What is asked of the usage page, and the address that asks it."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from usage.reports import ANYWHERE, By, Origin, Span


class Sort(StrEnum):
    """By what the breakdowns are sorted; with a minus the greatest comes first."""

    NAME = "name"
    NAME_DOWN = "-name"
    REQUESTS = "requests"
    REQUESTS_DOWN = "-requests"
    TOKENS = "tokens"
    TOKENS_DOWN = "-tokens"
    COST = "cost"
    COST_DOWN = "-cost"

    @property
    def column(self) -> str:
        return self.value.removeprefix("-")

    @property
    def falls(self) -> bool:
        return self.value.startswith("-")


@dataclass(frozen=True, slots=True)
class Asked:
    """The usage page's state; all of it stands in the address, what is usual left out."""

    span: Span = Span.MONTH
    first: date | None = None
    last: date | None = None
    only: Origin = ANYWHERE
    by: By = By.MODEL
    sort: Sort = Sort.COST_DOWN
    page: int = 1

    def but(self, **changes: Any) -> "Asked":
        """The same with some things changed, from the first page on."""
        return replace(self, **{"page": 1, **changes})

    def address(self, **more: str) -> str:
        """The page that shows it."""
        return _address("usage:report", {**self.query(), **more})

    def export(self, form: str) -> str:
        """All of its lines as a file."""
        return _address("usage:export", {**self.but().query(), "format": form})

    @property
    def is_narrowed(self) -> bool:
        return self.only != ANYWHERE

    @property
    def is_all(self) -> bool:
        return self.span is Span.ALL

    @property
    def whole_url(self) -> str:
        """Without the filters."""
        return self.but(only=ANYWHERE).address()

    @property
    def all_url(self) -> str:
        """From the first usage on."""
        return self.but(span=Span.ALL, first=None, last=None).address()

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What another range leaves as it is."""
        dropped = ("period", "from", "to", "page")
        return [(name, value) for name, value in self.query().items() if name not in dropped]

    @property
    def unfiltered(self) -> list[tuple[str, str]]:
        """What other filters leave as it is; the period is said even where it is the usual one."""
        dropped = (*self.only.named(), "page")
        return [(name, value) for name, value in {"period": self.span.value, **self.query()}.items()
                if name not in dropped]  # fmt: skip

    def query(self) -> dict[str, str]:
        """The parameters that differ from those of the bare address."""
        named = {
            "period": self.span.value,
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
            **self.only.named(),
            "by": self.by.value,
            "sort": self.sort.value,
            "page": str(self.page),
        }
        return {name: value for name, value in named.items() if value and value != _USUAL.get(name)}


_USUAL: Final = {"period": Span.MONTH.value, "by": By.MODEL.value, "sort": Sort.COST_DOWN.value, "page": "1"}


def _address(name: str, query: dict[str, str]) -> str:
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)
