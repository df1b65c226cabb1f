"""A chat shown to whoever holds its link: made, counted, withdrawn, and found by its token alone.

The token is the permission, so it is random, is shown once, and only its hash is stored. Whoever opens a link is nobody
to us; what they see is read as the owner's tenant, one chat of it.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from secrets import token_bytes
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts import audit
from chats.models import Chat, SharedLink
from chats.thread import Shown, ShownMessage, show, window
from wavelength.tenancy import nobody, tenant

MAX_LINKS = 50  # of one chat
SHOWN_OF_TOKEN = 4  # characters by which its owner tells it from others
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class TooManyLinksError(Exception):
    """The chat has as many links as a chat may have."""


@dataclass(frozen=True, slots=True)
class SharedPage:
    """All that a link shows. `earlier` and `later` are positions, None at the ends; no message tells when or who."""

    title: str
    plain_title: str
    model: str
    messages: list[ShownMessage]
    earlier: int | None
    later: int | None


def share_chat(*, user_id: UUID, chat_id: UUID, days: int, with_reasoning: bool) -> str:
    """Makes a link for so many days; answers its token, which nothing can show again.

    Raises Chat.DoesNotExist or TooManyLinksError.
    """
    token = urlsafe_b64encode(token_bytes(32)).rstrip(b"=").decode()
    with tenant(user_id):
        chat = Chat.objects.present().select_for_update().get(pk=chat_id)
        if SharedLink.objects.filter(chat=chat).count() >= MAX_LINKS:
            raise TooManyLinksError
        SharedLink.objects.create(
            user_id=user_id,
            chat=chat,
            token_hash=_hashed(token),
            ending=token[-SHOWN_OF_TOKEN:],
            with_reasoning=with_reasoning,
            expires_at=Now() + timedelta(days=days),
        )
        audit.record(user_id, "chat.shared", chat=str(chat.pk), days=days, reasoning=with_reasoning)
    return token


def withdraw_link(*, user_id: UUID, link_id: UUID) -> UUID:
    """Ends a link at once; answers the chat it led to. Raises SharedLink.DoesNotExist."""
    with tenant(user_id):
        link = SharedLink.objects.select_for_update().get(pk=link_id)
        link.delete()
        audit.record(user_id, "chat.share_withdrawn", chat=str(link.chat_id))
        return link.chat_id


def links_of(chat: Chat) -> QuerySet[SharedLink]:
    """The links that lead to a chat, the newest first, those that have ended too."""
    return SharedLink.objects.filter(chat=chat).order_by("-created_at", "-id")


def all_links() -> QuerySet[SharedLink]:
    """The tenant's links to chats that are there, with these, the newest first."""
    return SharedLink.objects.filter(chat__deleted_at=None).select_related("chat").order_by("-created_at", "-id")


def open_link(*, token: str, after: int = -1, before: int | None = None) -> SharedPage | None:
    """What a link shows now; None where it leads nowhere: unknown, withdrawn, ended, or to a chat or person gone.

    Whoever asks is served as nobody; call it outside any transaction.
    """
    if not TOKEN.fullmatch(token):
        return None
    with nobody():
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT user_id, chat_id FROM shared_chat(%s)", [_hashed(token)])
            found: tuple[UUID, UUID] | None = cursor.fetchone()
        if found is None:
            return None
        owner, chat_id = found
        with tenant(owner):
            link = SharedLink.objects.filter(token_hash=_hashed(token), chat__deleted_at=None).first()
            chat = Chat.objects.present().filter(pk=chat_id).first()
            if link is None or chat is None:
                return None
            part = window(chat=chat, after=after, before=before)
    shown = Shown(reasoning=link.with_reasoning, tokens=False, costs=False, times=False)
    return SharedPage(
        title=chat.title,
        plain_title=chat.plain_title,
        model=chat.model,
        messages=[show(message, shown) for message in part.messages],
        earlier=part.earlier,
        later=part.later,
    )


def _hashed(token: str) -> bytes:
    return sha256(token.encode()).digest()
