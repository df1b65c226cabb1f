"""The audit trail as sentences that its owner can read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent
from wavelength.names import provider_label

Text = str | Promise

SENTENCES: Final[Mapping[str, Text]] = {
    "account.created": _("Account created"),
    "account.tier_changed": _("Plan changed"),
    "account.deactivated": _("Account deactivated"),
    "account.reactivated": _("Account activated again"),
    "session.started": _("Signed in"),
    "email.changed": _("E-mail address changed"),
    "password.changed": _("Password changed"),
    "social.connected": _("Sign-in with a provider connected"),
    "key.added": _("Provider key added"),
    "key.replaced": _("Provider key replaced"),
    "key.deleted": _("Provider key deleted"),
    "handover.finished": _("Chats brought in"),
    "quota.set": _("Usage limit set by an administrator"),
    "quota.removed": _("Usage limit removed by an administrator"),
    "budget.set": _("Own budget set"),
    "budget.removed": _("Own budget removed"),
}
# What of an event's details is worth a second line.
DETAILS: Final[tuple[str, ...]] = ("provider", "period", "after", "ip")
SHOWN_AS: Final[Mapping[str, Callable[[Any], str]]] = {
    "provider": provider_label,
}


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the trail."""

    at: datetime
    sentence: Text
    detail: str


def latest_activity(limit: int) -> list[Activity]:
    """The tenant's latest events, newest first; inside `tenant()` or a person's request."""
    return [
        Activity(at=event.at, sentence=SENTENCES.get(event.kind, event.kind), detail=_detail(event.details))
        for event in AuditEvent.objects.order_by("-at")[:limit]
    ]


def _detail(details: Mapping[str, Any]) -> str:
    shown = (SHOWN_AS.get(name, str)(details[name]) for name in DETAILS if details.get(name))
    return " · ".join(shown)
