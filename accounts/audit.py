"""The audit trail: what happened to an account, only ever added to."""

from typing import Any
from uuid import UUID

from accounts.models import AuditEvent


def record(user_id: UUID, kind: str, **details: Any) -> None:
    """Add an event to the person's trail, inside their ``tenant()``; details hold no secret."""
    AuditEvent.objects.create(user_id=user_id, kind=kind, details=details)
