"""What a person does to their chats: another title, deletion, and its undoing for a while."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now

from chats.loading import lock_chats
from chats.models import Chat, Message, SearchEntry, SharedLink
from wavelength.tenancy import tenant

EMPTIED_AT_ONCE = 20  # chats a transaction
TOMBSTONE: Final[dict[str, Any]] = {
    **dict.fromkeys(("title", "model", "status"), ""),
    **dict.fromkeys(("total_cost", "total_tokens", "message_count"), 0),
    "indexed": True,
    "purge_at": None,
}


def rename_chat(*, user_id: UUID, chat: UUID | str, title: str) -> Chat:
    """Gives the chat, named by its key or by the id that the API shows, another title.

    From then on it counts as changed here. Raises Chat.DoesNotExist.
    """
    with tenant(user_id), connections["default"].cursor() as cursor:
        lock_chats(cursor, user_id)
        found = Chat.objects.present().named(chat).get()
        found.rename(title)
    return found


def delete_chat(*, user_id: UUID, shown_id: str) -> None:
    """Deletes the chat; no sync brings it back, its owner can for a while. Raises Chat.DoesNotExist."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        lock_chats(cursor, user_id)
        if not Chat.objects.named(shown_id).delete_softly():
            raise Chat.DoesNotExist


def delete_chats(*, user_id: UUID, chats: Iterable[UUID]) -> int:
    """The same for those of these chats that are the person's and there; answers how many."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        lock_chats(cursor, user_id)
        return Chat.objects.filter(pk__in=list(chats)).delete_softly()


def restore_chats(*, user_id: UUID, chats: Iterable[UUID]) -> int:
    """Takes the deletion back of those of these chats that still hold their text; answers how many."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        lock_chats(cursor, user_id)
        return Chat.objects.filter(pk__in=list(chats)).restore()


def count_to_empty(*, user_id: UUID) -> int:
    """How many chats `empty_deleted_chats` would empty."""
    with tenant(user_id):
        return Chat.objects.filter(purge_at__lte=Now()).count()


def empty_deleted_chats(*, user_id: UUID) -> int:
    """Takes away for good what chats held that were deleted long enough ago; tombstones stay. Answers how many."""
    emptied = 0
    while True:
        with tenant(user_id), connections["default"].cursor() as cursor:
            lock_chats(cursor, user_id)
            due = Chat.objects.filter(purge_at__lte=Now()).order_by("purge_at")
            chats = list(due.values_list("pk", flat=True)[:EMPTIED_AT_ONCE])
            SharedLink.objects.filter(chat__in=chats).delete()
            SearchEntry.objects.filter(chat__in=chats).delete()
            Message.objects.filter(chat__in=chats).delete()
            Chat.objects.filter(pk__in=chats).update(
                title="",
                model="",
                status="",
                total_cost=0,
                total_tokens=0,
                message_count=0,
                indexed=True,
                purge_at=None,
            )
        emptied += len(chats)
        if len(chats) < EMPTIED_AT_ONCE:
            return emptied
