"""The audit trail: what happened to an account, only ever added to."""

from typing import Any
from uuid import UUID

from accounts.models import AuditEvent
from wavelength.tenancy import nobody, tenant


def record(user_id: UUID, kind: str, **details: Any) -> None:
    """Add an event to the person's trail, inside their ``tenant()``; details hold no secret."""
    AuditEvent.objects.create(user_id=user_id, kind=kind, details=details)


def record_for(user_id: UUID, kind: str, **details: Any) -> None:
    """The same where the person is not the one being served: at signing in, from a link in a letter."""
    with nobody(), tenant(user_id):
        record(user_id, kind, **details)
