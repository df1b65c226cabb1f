"""How many chats a person has, and which are the latest. What they cost stands in the ledger (usage/reports.py)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from chats.models import Chat
from wavelength.tenancy import tenant


@dataclass(frozen=True, slots=True)
class ChatFigures:
    """Counts of what was not deleted; `active` are the chats that changed since a moment; `latest` newest first."""

    chats: int
    messages: int
    active: int
    latest: list[Chat]


def chat_figures(*, user_id: UUID, since: datetime, latest: int) -> ChatFigures:
    """Count a person's chats, and find so many of the latest."""
    with tenant(user_id):
        present = Chat.objects.present()
        counts = present.aggregate(
            chats=Count("id"),
            messages=Coalesce(Sum("message_count"), 0),
            active=Count("id", filter=Q(updated_at__gte=since)),
        )
        return ChatFigures(**counts, latest=list(present.newest_first()[:latest]))
