"""What a person does to one of their chats."""

from uuid import UUID

from django.db import connections

from chats.loading import lock_chats
from chats.models import Chat
from wavelength.tenancy import tenant


def rename_chat(*, user_id: UUID, shown_id: str, title: str) -> Chat:
    """Gives the chat another title; from then on it counts as changed here. Raises Chat.DoesNotExist."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        lock_chats(cursor, user_id)
        chat = Chat.objects.present().get(shown_id=shown_id)
        chat.rename(title)
    return chat


def delete_chat(*, user_id: UUID, shown_id: str) -> None:
    """Deletes the chat for good; a tombstone keeps a sync from bringing it back. Raises Chat.DoesNotExist."""
    with tenant(user_id), connections["default"].cursor() as cursor:
        lock_chats(cursor, user_id)
        Chat.objects.present().get(shown_id=shown_id).bury()
