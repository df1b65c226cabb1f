"""How figures are written: money, tokens, durations, moments. In the person's language, never `0.0000`."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django import template
from django.utils import formats, timezone
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy

register = template.Library()

SMALLEST_SHOWN = Decimal("0.000001")
STEPS = (
    (Decimal(10**9), pgettext_lazy("short count", "%(number)sB")),
    (Decimal(10**6), pgettext_lazy("short count", "%(number)sM")),
    (Decimal(1000), pgettext_lazy("short count", "%(number)sk")),
)


@register.filter
def money(value: Decimal | int | None) -> str:
    """US dollars: cents from one cent up, two significant digits below, nothing for an unknown amount.

    >>> money(Decimal("1234.5")), money(Decimal("0.00042")), money(Decimal(0))
    ('$1,234.50', '$0.00042', '$0.00')
    """
    if value is None:
        return "–"
    amount = Decimal(value)
    if amount < 0:
        return f"−{money(-amount)}"
    if 0 < amount < SMALLEST_SHOWN:
        return f"<{in_dollars(formats.number_format(SMALLEST_SHOWN, use_l10n=True))}"
    places = 2
    if 0 < amount < Decimal("0.01"):
        places = 1 - amount.adjusted()
    rounded = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return in_dollars(formats.number_format(rounded, places, use_l10n=True, force_grouping=True))


def in_dollars(number: str) -> str:
    """A written number as an amount, with the sign where the language has it: `$5.00`, `5,00 $`."""
    return pgettext("US dollars", "$%(number)s") % {"number": number}


def in_percent(number: str) -> str:
    """A written number as a share: `12%`, `12 %`."""
    return pgettext("share", "%(number)s%%") % {"number": number}


@register.filter
def exact(value: Decimal | int) -> str:
    """To the last digit, without an exponent.

    >>> exact(Decimal("1E-9")), exact(Decimal("5.00"))
    ('0.000000001', '5')
    """
    return f"{Decimal(value).normalize():f}"


@register.filter
def exact_money(value: Decimal | int) -> str:
    """US dollars to the last digit, for people: `$0.000000001`."""
    return in_dollars(formats.number_format(Decimal(value).normalize(), use_l10n=True, force_grouping=True))


@register.filter
def count(value: int | None) -> str:
    """A whole number with grouping; a dash when it is not known."""
    return "–" if value is None else formats.number_format(value, 0, use_l10n=True, force_grouping=True)


@register.filter
def compact(value: int | None) -> str:
    """A count in at most four characters of digits: 950, 12.3k, 4.56M.

    >>> compact(999), compact(1000), compact(12345), compact(999_960)
    ('999', '1k', '12.3k', '1M')
    """
    if value is None:
        return "–"
    for index, (size, short) in enumerate(STEPS):
        scaled = Decimal(value) / size
        if scaled >= Decimal("0.99995") or (index == len(STEPS) - 1 and scaled >= 1):
            digits = 2 if scaled < 10 else 1 if scaled < 100 else 0
            rounded = scaled.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
            text = formats.number_format(rounded.normalize() + 0, use_l10n=True)
            return str(short) % {"number": _plain(rounded) if "E" in text else text}
    return formats.number_format(value, 0, use_l10n=True)


def _plain(number: Decimal) -> str:
    return formats.number_format(int(number), 0, use_l10n=True)


@register.filter
def duration(milliseconds: float | None) -> str:
    """How long something took: 840 ms, 12.4 s, 3 min 20 s."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{formats.number_format(round(Decimal(seconds), 1), 1, use_l10n=True)} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s"


@register.filter
def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in one unit; the date itself from a month on. Never shows a moment of the future."""
    if moment is None:
        return gettext("never")
    elapsed = max((now or datetime.now(UTC)) - moment, timedelta())
    minutes, hours = int(elapsed.total_seconds() // 60), int(elapsed.total_seconds() // 3600)
    if minutes < 1:
        return gettext("just now")
    if hours < 1:
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
    if elapsed.days < 1:
        return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
    if elapsed.days < 30:
        return ngettext("%(count)d day ago", "%(count)d days ago", elapsed.days) % {"count": elapsed.days}
    return formats.date_format(timezone.localtime(moment), "DATE_FORMAT", use_l10n=True)


@register.filter
def until(moment: datetime | None, now: datetime | None = None) -> str:
    """How long until then, in one unit, rounded; what is past is said to be now."""
    if moment is None:
        return ""
    minutes = max(0, round((moment - (now or datetime.now(UTC))).total_seconds() / 60))
    hours, days = round(minutes / 60), round(minutes / 60 / 24)
    if minutes < 1:
        return gettext("now")
    if minutes < 60:
        return ngettext("in %(count)d minute", "in %(count)d minutes", minutes) % {"count": minutes}
    if hours < 48:
        return ngettext("in %(count)d hour", "in %(count)d hours", hours) % {"count": hours}
    return ngettext("in %(count)d day", "in %(count)d days", days) % {"count": days}
