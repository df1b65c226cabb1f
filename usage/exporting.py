"""The lines of a report as a file, piece by piece, however long the range: what a page of them shows, all of them."""

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any, Final
from uuid import UUID

from django.db import connections

from accounts import audit
from usage.asking import Asked
from usage.charts import iso_of
from usage.reports import Line, Origin, Range, Slot, Sums
from wavelength.templatetags.figures import exact
from wavelength.tenancy import tenant

PAGE: Final = 1000  # rows of the ledger a query
LINES: Final = 200  # a piece
FIGURES: Final = ("requests", "unpriced_requests", "input_tokens", "cached_tokens", "output_tokens",
                  "reasoning_tokens", "tokens", "cost_usd")  # fmt: skip
# What a spreadsheet would take for the beginning of a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

# Backwards along the ledger's own index; a slot is what usage_activity makes of an hour.
_LEDGER = """
    SELECT hour, provider, model, source,
           date_trunc(%(unit)s, CASE %(unit)s WHEN 'hour' THEN date_bin('1 hour', hour, %(starts)s) ELSE hour END
                                AT TIME ZONE %(zone)s)::date AS day,
           CASE %(unit)s WHEN 'hour' THEN date_bin('1 hour', hour, %(starts)s) END AS bin,
           request_count, unpriced_requests, input_tokens, output_tokens, reasoning_tokens, cached_tokens,
           trim_scale(total_cost)
      FROM usage_usagerecord
     WHERE user_id = %(person)s AND hour >= %(starts)s AND hour <= %(ends)s
       AND (hour, provider, model, source) < (%(hour)s, %(provider)s, %(model)s, %(source)s)
       AND %(of_provider)s IN ('', provider) AND %(of_model)s IN ('', model) AND %(of_source)s IN ('', source)
     ORDER BY hour DESC, provider DESC, model DESC, source DESC
     LIMIT %(page)s
"""


def lines_of(*, user_id: UUID, shown: Range, only: Origin) -> Iterator[Line]:
    """Every line of the range, newest first, as the page lists them.

    Memory grows with what one slot has of models, not with the range. Each page of the ledger is read in a transaction
    of its own: what is counted meanwhile may be in it or not, each row of the ledger as it was at one moment.
    """
    # Two at once: where clocks go back over midnight, an hour of the old day follows one of the new.
    found: dict[Slot, dict[Origin, Sums]] = {}
    for slot, origin, sums in _rows(user_id, shown, only):
        if slot not in found:
            if len(found) == 2:
                yield from _newest(found)
            found[slot] = {}
        found[slot][origin] = found[slot].get(origin, Sums()) + sums
    while found:
        yield from _newest(found)


def note_export(*, user_id: UUID, shown: Range) -> None:
    """Remember in the person's trail that the lines of this range were taken as a file."""
    with tenant(user_id):
        audit.record(user_id, "usage.exported", first=shown.first.isoformat(), last=shown.last.isoformat())


def as_csv(lines: Iterator[Line], shown: Range) -> Iterator[bytes]:
    """RFC 4180, in UTF-8. Text that a spreadsheet would take for a formula begins with an apostrophe."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow([shown.unit.value, "provider", "model", "source", *FIGURES])
    for number, line in enumerate(lines, 1):
        figures = ["" if figure is None else exact(figure) for figure in _figures(line.sums)]
        writer.writerow([iso_of(line.slot, shown), *map(_harmless, line.origin), *figures])
        if number % LINES == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def as_json(lines: Iterator[Line], shown: Range, asked: Asked) -> Iterator[bytes]:
    """An object that says what it holds, then its `lines`; a cost that is not known is null."""
    about = {
        "from": shown.first.isoformat(),
        "to": shown.last.isoformat(),
        "time_zone": shown.zone.key,
        "unit": shown.unit.value,
        "filters": {name: value or None for name, value in asked.only.named().items()},
    }
    buffer = StringIO()
    buffer.write(f'{json.dumps(about, ensure_ascii=False)[:-1]}, "lines": [')
    for number, line in enumerate(lines, 1):
        buffer.write("\n" if number == 1 else ",\n")
        buffer.write(_json_line(line, shown))
        if number % LINES == 0:
            yield _taken(buffer)
    buffer.write("\n]}\n")
    yield _taken(buffer)


def _rows(user_id: UUID, shown: Range, only: Origin) -> Iterator[tuple[Slot, Origin, Sums]]:
    asked: dict[str, Any] = {
        "person": user_id, "starts": shown.starts, "ends": shown.ends, "zone": shown.zone.key,
        "unit": shown.unit.value, "page": PAGE, **{f"of_{name}": value for name, value in only.named().items()},
    }  # fmt: skip
    after: tuple[datetime, Origin] = (shown.ends + timedelta(hours=1), Origin())
    while True:
        with tenant(user_id), connections["default"].cursor() as cursor:
            cursor.execute(_LEDGER, {**asked, "hour": after[0], **after[1].named()})
            page = cursor.fetchall()
        for hour, provider, model, source, day, hour_of_day, *figures in page:
            origin = Origin(provider, model, source)
            yield Slot(day, hour_of_day), origin, Sums(*figures)
            after = (hour, origin)
        if len(page) < PAGE:
            return


def _newest(found: dict[Slot, dict[Origin, Sums]]) -> Iterator[Line]:
    slot = max(found)
    of_slot = found.pop(slot)
    for origin in sorted(of_slot):
        yield Line(slot, origin, of_slot[origin])


def _json_line(line: Line, shown: Range) -> str:
    said = {shown.unit.value: iso_of(line.slot, shown), **line.origin.named()}
    figures = ", ".join(
        f'"{name}": {"null" if figure is None else exact(figure)}'
        for name, figure in zip(FIGURES, _figures(line.sums), strict=True)
    )
    return f"{json.dumps(said, ensure_ascii=False)[:-1]}, {figures}}}"


def _figures(sums: Sums) -> tuple[int | Decimal | None, ...]:
    return (sums.requests, sums.unpriced, sums.input, sums.cached, sums.output, sums.reasoning, sums.tokens, sums.cost)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _taken(buffer: StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
