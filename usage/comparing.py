"""This range against the one before, in words."""

from decimal import Decimal
from typing import Final

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from usage.reports import Range, Span

# What a range is compared with: the same stretch of the one before.
BEFORE: Final[dict[Span, str | Promise]] = {
    Span.TODAY: gettext_lazy("yesterday by this time"),
    Span.WEEK: gettext_lazy("the 7 days before"),
    Span.RECENT: gettext_lazy("the 30 days before"),
    Span.MONTH: gettext_lazy("last month by this time"),
    Span.LAST_MONTH: gettext_lazy("the month before"),
}


def change(now: Decimal | int | None, before: Decimal | int | None, shown: Range) -> str:
    """Such as ``12% more than last month by this time``; empty without a range before, or where nothing is known."""
    if shown.span is Span.ALL or now is None:
        return ""
    words = {"before": _before(shown)}
    if not before:
        return _("none %(before)s") % words if now else ""
    ratio = Decimal(now) / Decimal(before)
    if ratio >= 3:
        return _("%(times)s times as much as %(before)s") % {**words, "times": number_format(round(ratio))}
    percent = round(abs(ratio - 1) * 100)
    if percent == 0:
        return _("as much as %(before)s") % words
    if ratio > 1:
        return _("%(percent)s%% more than %(before)s") % {**words, "percent": percent}
    return _("%(percent)s%% less than %(before)s") % {**words, "percent": percent}


def _before(shown: Range) -> str:
    if shown.span in BEFORE:
        return str(BEFORE[shown.span])
    days = (shown.last - shown.first).days + 1
    return ngettext("the day before", "the %(days)d days before", days) % {"days": days}
