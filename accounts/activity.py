"""The audit trail as sentences that its owner can read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.looks import SUBJECTS
from accounts.models import Actor, AuditEvent
from wavelength.devices import device_name
from wavelength.names import provider_label

Text = str | Promise

SENTENCES: Final[Mapping[str, Text]] = {
    "account.created": _("Account created"),
    "account.tier_changed": _("Plan changed"),
    "account.looked_at": _("An administrator looked at your account"),
    "account.renamed": _("Name of the account changed by an administrator"),
    "account.switched_off": _("Account switched off by an administrator"),
    "account.switched_on": _("Account switched on again by an administrator"),
    "account.staff_on": _("Account made an administrator's"),
    "account.staff_off": _("Account no longer an administrator's"),
    "account.deactivated": _("Account deactivated"),
    "account.reactivated": _("Account activated again"),
    "account.erasure_asked": _("Erasure of the account asked for"),
    "account.erasure_called_off": _("Erasure of the account called off"),
    "archive.asked": _("Archive of the data asked for"),
    "archive.downloaded": _("Archive of the data downloaded"),
    "session.started": _("Signed in"),
    "session.failed": _("Failed attempt to sign in"),
    "session.ended": _("Signed out another browser"),
    "session.others_ended": _("Signed out everywhere else"),
    "confirmation.failed": _("Failed to confirm that it is you"),
    "email.change_asked": _("New e-mail address asked for"),
    "email.change_cancelled": _("Change of the e-mail address cancelled"),
    "email.changed": _("E-mail address changed"),
    "password.set": _("Password set"),
    "password.changed": _("Password changed"),
    "password.reset": _("Password reset through a link by mail"),
    "twofactor.on": _("Two-factor sign-in switched on"),
    "twofactor.off": _("Two-factor sign-in switched off"),
    "recovery.made": _("New recovery codes made"),
    "recovery.viewed": _("Recovery codes looked at"),
    "recovery.downloaded": _("Recovery codes downloaded"),
    "recovery.removed": _("Recovery codes removed"),
    "passkey.added": _("Passkey added"),
    "passkey.renamed": _("Passkey renamed"),
    "passkey.removed": _("Passkey removed"),
    "social.connected": _("Sign-in with a provider connected"),
    "social.disconnected": _("Sign-in with a provider disconnected"),
    "token.made": _("API token made"),
    "token.revoked": _("API token revoked"),
    "key.added": _("Provider key added"),
    "key.replaced": _("Provider key replaced"),
    "key.deleted": _("Provider key deleted"),
    "key.failing": _("Provider key refused by its provider"),
    "key.unusual": _("Provider key used far more than usual"),
    "key.exposed": _("Provider key found in plain text"),
    "key.flag_dismissed": _("Warning about a provider key dismissed"),
    "key.renamed": _("Provider key renamed"),
    "key.switched_on": _("Provider key switched on"),
    "key.switched_off": _("Provider key switched off"),
    "key.limited": _("Limits of a provider key changed"),
    "chat.downloaded": _("Chats downloaded"),
    "chat.shared": _("Chat shared by a link"),
    "chat.share_withdrawn": _("Link to a shared chat withdrawn"),
    "handover.finished": _("Chats brought in"),
    "quota.set": _("Usage limit set by an administrator"),
    "quota.removed": _("Usage limit removed by an administrator"),
    "budget.set": _("Own budget set"),
    "budget.removed": _("Own budget removed"),
    "usage.exported": _("Usage downloaded"),
    "usage.repriced": _("Costs of your usage computed anew by an administrator"),
}
# What a person should look at, even in passing.
WARNINGS: Final[frozenset[str]] = frozenset(
    {"session.failed", "confirmation.failed", "key.failing", "key.unusual", "key.exposed"}
)
# What of an event's details is worth a second line.
DETAILS: Final[tuple[str, ...]] = ("page", "way", "provider", "name", "hint", "period", "after", "browser", "count")
WAYS: Final[Mapping[str, Text]] = {
    "password": _("with the password"),
    "passkey": _("with a passkey"),
    "code": _("with a code"),
    "link": _("with a link by mail"),
    "google": _("with Google"),
    "github": _("with GitHub"),
}
PERIODS: Final[Mapping[str, Text]] = {"daily": _("a day"), "monthly": _("a month")}
SHOWN_AS: Final[Mapping[str, Callable[[Any], Text]]] = {
    "page": lambda page: SUBJECTS.get(page, ""),
    "hint": lambda hint: f"…{hint}",
    "provider": provider_label,
    "way": lambda way: WAYS.get(way, ""),
    "period": lambda period: PERIODS.get(period, period),
    "browser": lambda browser: device_name(str(browser)),
}
ACTORS: Final[Mapping[str, Text]] = {
    Actor.OPERATOR: _("An administrator"),
    Actor.SYSTEM: _("Wavelength"),
}


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the trail: what, with what of it, from where; ``who`` is empty where it was its owner."""

    at: datetime
    sentence: Text
    detail: str
    device: str
    address: str
    who: Text
    is_warning: bool


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """Some of the trail, newest first; ``older`` is the cursor of what follows, empty at the end."""

    events: list[Activity]
    older: str


def latest_activity(limit: int) -> list[Activity]:
    """The tenant's latest events, newest first; inside `tenant()` or a person's request."""
    return activity_page(limit).events


def activity_page(limit: int, *, before: str = "") -> ActivityPage:
    """A page of the tenant's events: those older than an earlier page's cursor, or the latest (a made-up one, too)."""
    events = list(_older_than(before)[: limit + 1])
    more = len(events) > limit
    return ActivityPage([_shown(event) for event in events[:limit]], _cursor(events[limit - 1]) if more else "")


def _older_than(cursor: str) -> QuerySet[AuditEvent]:
    events = AuditEvent.objects.order_by("-at", "-id")
    moment, _dot, event_id = cursor.partition(".")
    try:
        at, last = datetime.fromtimestamp(int(moment) / 1_000_000, UTC), UUID(event_id)
    except (ValueError, OverflowError, OSError):
        return events
    return events.filter(Q(at__lt=at) | Q(at=at, id__lt=last), at__lte=at)


def _cursor(event: AuditEvent) -> str:
    microseconds = round(event.at.timestamp() * 1_000_000)
    return f"{microseconds}.{event.pk.hex}"


def _shown(event: AuditEvent) -> Activity:
    # From where an administrator acted is nothing of the person's (docs/decisions/an-operators-look-is-an-event.md).
    whose = event.actor != Actor.OPERATOR
    return Activity(
        at=event.at,
        sentence=SENTENCES.get(event.kind, event.kind),
        detail=_detail(event.details),
        device=device_name(event.device or "") if whose else "",
        # Older events hold it among their details.
        address=(event.address or str(event.details.get("ip") or "")) if whose else "",
        who=ACTORS.get(event.actor or "", ""),
        is_warning=event.kind in WARNINGS,
    )


def _detail(details: Mapping[str, Any]) -> str:
    shown = (str(SHOWN_AS.get(name, str)(details[name])) for name in DETAILS if details.get(name))
    return " · ".join(part for part in shown if part)
