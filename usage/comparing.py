"""This period against the one before, in words."""

from decimal import Decimal
from typing import Final

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from usage.reports import Span

# What a period is compared with: the same stretch of the one before.
BEFORE: Final[dict[Span, str | Promise]] = {
    Span.TODAY: gettext_lazy("yesterday by this time"),
    Span.WEEK: gettext_lazy("the 7 days before"),
    Span.RECENT: gettext_lazy("the 30 days before"),
    Span.MONTH: gettext_lazy("last month by this time"),
}


def change(now: Decimal | int | None, before: Decimal | int | None, span: Span) -> str:
    """Such as ``12% more than last month by this time``; empty without a period before, or where nothing is known."""
    if span not in BEFORE or now is None:
        return ""
    words = {"before": BEFORE[span]}
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
