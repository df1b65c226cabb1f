"""A person's usage in their archive."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from usage.exporting import as_csv, lines_of
from usage.reports import Origin, Span, range_of


def usage_as_csv(user_id: UUID) -> Iterator[tuple[str, Iterable[bytes]]]:
    """All lines of the report over all time, by day."""
    shown = range_of(user_id=user_id, span=Span.ALL)
    yield "usage.csv", as_csv(lines_of(user_id=user_id, shown=shown, only=Origin()), shown)
