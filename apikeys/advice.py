"""Advice about one's keys: those that do not work, and those that nobody uses."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from apikeys.models import ApiKey, FlagReason
from usage.models import AdviceKind
from usage.recommendations import REMEMBERED, Advice, subject_of

UNUSED: Final = timedelta(days=60)
# What else was noticed of a key; those that fail say so themselves.
NOTICED: Final[dict[str, AdviceKind]] = {
    FlagReason.UNUSUAL: AdviceKind.KEY_UNUSUAL,
    FlagReason.EXPOSED: AdviceKind.KEY_EXPOSED,
}


def key_advice(keys: Iterable[ApiKey], at: datetime) -> list[Advice]:
    """What to do about keys; each comes with its flags. What was noticed of them goes first.

    Of a key that is switched off it matters only whether others may know it.
    """
    keys = list(keys)
    active = [key for key in keys if key.is_active]
    failing = [key for key in active if key.is_valid is False]
    return [*_noticed(keys, at), *(_failing(key, at) for key in failing), *_unused(active, at)]


def _noticed(keys: Iterable[ApiKey], at: datetime) -> Iterator[Advice]:
    for key in keys:
        for flag in key.open_flags:
            if (kind := NOTICED.get(flag.reason)) and (key.is_active or kind is AdviceKind.KEY_EXPOSED):
                yield Advice(
                    kind=kind,
                    subject=subject_of(flag.pk, flag.flagged_at.isoformat()),
                    until=at + REMEMBERED,
                    sentence=format_html("{}: {}", _name(key), flag.sentence),
                    figures=[(_("Noticed"), _stamp(flag.flagged_at)), (_("Last used"), _stamp(key.last_used))],
                    note=flag.counsel,
                    action=_("Look at your keys"),
                    url=reverse("apikeys:key-list"),
                    urgent=True,
                )


def _failing(key: ApiKey, at: datetime) -> Advice:
    return Advice(
        kind=AdviceKind.KEY_FAILING,
        # Another problem is another piece of advice, and the same one in every language.
        subject=subject_of(key.pk, key.validation_error or "", key.updated_at.isoformat()),
        until=at + REMEMBERED,
        sentence=format_html("{}: {}", _name(key), key.problem or _("This key does not work.")),
        figures=[(_("Checked"), _stamp(key.last_validated)), (_("Last used"), _stamp(key.last_used))],
        note=_("Switched on keys are checked once a day, and when you ask for it."),
        action=_("Look at your keys"),
        url=reverse("apikeys:key-list"),
        urgent=True,
    )


def _unused(keys: Iterable[ApiKey], at: datetime) -> Iterator[Advice]:
    for key in keys:
        since = max(key.created_at, key.last_used or key.created_at)
        if key.is_valid is False or at - since < UNUSED:
            continue
        days = (at - since).days
        said = _("{key} has not been used for {days} days.") if key.last_used else (
            _("{key} was added {days} days ago and never used.")
        )  # fmt: skip
        yield Advice(
            kind=AdviceKind.KEY_IDLE,
            subject=subject_of(key.pk, since.isoformat()),
            until=at + UNUSED,
            sentence=format_html(said, key=_name(key), days=days),
            figures=[(_("Last used"), _stamp(key.last_used)), (_("Added"), _stamp(key.created_at))],
            note=_(
                "Only what goes through Wavelength is known here. A key that nobody needs is best deleted, and revoked"
                " at its provider."
            ),
            action=_("Look at your keys"),
            url=reverse("apikeys:key-list"),
        )


def _name(key: ApiKey) -> SafeString:
    return format_html("{} · <bdi>{}</bdi>", key.provider_info.label, key.key_name)


def _stamp(moment: datetime | None) -> str:
    return date_format(localtime(moment), "MOMENT_FORMAT") if moment else _("never")
