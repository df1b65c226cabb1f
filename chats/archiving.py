"""A person's chats in their archive: as JSON that the import takes, and each as Markdown to read."""

from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from django.utils.text import slugify

from chats.downloads import as_markdown
from chats.models import Chat, ChatQuerySet
from chats.reading import chats_as_json
from wavelength.tenancy import tenant

Kind = Callable[[ChatQuerySet], ChatQuerySet]
PAGE = 100
NAME_LENGTH = 50


def chats_as_files(user_id: UUID) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The chats, those that were deleted and can be had back apart, and each chat to read."""
    yield "chats/chats.json", _json(user_id, _present)
    yield "chats/deleted.json", _json(user_id, ChatQuerySet.restorable)
    number = 0
    for page in _pages(user_id, _present):
        for chat in page:
            number += 1
            name = slugify(chat.plain_title)[:NAME_LENGTH] or "untitled"
            yield f"chats/{number:05}-{name}.md", (text.encode() for text in as_markdown(user_id=user_id, chat=chat))


def _json(user_id: UUID, kind: Kind) -> Iterator[bytes]:
    yield b'{"chats":['
    yield from chats_as_json(_pages(user_id, kind), user_id=user_id)
    yield b"]}\n"


def _pages(user_id: UUID, kind: Kind) -> Iterator[list[Chat]]:
    after = UUID(int=0)
    while True:
        with tenant(user_id):
            page = list(kind(Chat.objects.filter(user_id=user_id, pk__gt=after)).order_by("pk")[:PAGE])
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1].pk


def _present(chats: ChatQuerySet) -> ChatQuerySet:
    return chats.present()
