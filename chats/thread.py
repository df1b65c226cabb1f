"""One chat as it is read: a window of its messages at a time, however many there are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import IntegerField, QuerySet, Value
from django.db.models.functions import Cast, Left, Length
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from chats.models import Chat, Message, Role
from chats.rendering import render_markdown
from wavelength.templatetags.figures import compact, duration, money

MESSAGES_A_PAGE = 50
CHARACTERS_A_PAGE = 120_000  # a page ends sooner after so many
CHARACTERS_SHOWN = 100_000  # of one message
BEFORE_IT = 2  # messages that stand before one that is looked for


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown beside the text of messages: a person's preferences; `times` with how long an answer took."""

    reasoning: bool = True
    tokens: bool = True
    costs: bool = True
    times: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """Messages in their order; `earlier` and `later` are the positions before and after which more stand, or None."""

    messages: list[Message]
    earlier: int | None
    later: int | None


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as a page shows it; `text` and `reasoning` are harmless HTML.

    `key` names it among the chat's: its id, or its position where no id is to be told. `length` is set where only the
    beginning is shown: the characters that it has.
    """

    key: str
    role: str
    speaker: str
    model: str
    timestamp: datetime | None
    text: SafeString
    reasoning: SafeString | None
    figures: list[str]
    length: int | None


def window(*, chat: Chat, after: int = -1, before: int | None = None, message: UUID | None = None) -> Window:
    """The messages behind a position, or before one, or around one message; from the start where it is not there."""
    of_chat = Message.objects.filter(chat=chat)
    if message is not None:
        place = of_chat.filter(pk=message).values_list("position", flat=True).first()
        after = -1 if place is None else place - BEFORE_IT - 1
    if before is None:
        found, more = _page(of_chat.filter(position__gt=after).order_by("position"))
    else:
        found, more = _page(of_chat.filter(position__lt=before).order_by("-position"))
        found.reverse()
    if not found:
        return Window([], None, None)
    first, last = found[0].position, found[-1].position
    if before is None:
        earlier, later = of_chat.filter(position__lt=first).exists() if after >= 0 else False, more
    else:
        earlier, later = more, of_chat.filter(position__gt=last).exists()
    return Window(found, first if earlier else None, last if later else None)


def show(message: Any, shown: Shown) -> ShownMessage:
    """One of a window's messages with what is to be shown of it."""
    speakers = {Role.USER: _("You"), Role.ASSISTANT: _("Assistant"), Role.SYSTEM: _("System"), Role.TOOL: _("Tool")}
    return ShownMessage(
        key=str(message.pk if shown.times else message.position),
        role=message.role,
        speaker=speakers[Role(message.role)],
        model=message.model or "",
        timestamp=message.sent_at if shown.times else None,
        text=render_markdown(message.text),
        reasoning=render_markdown(message.thought) if message.thought and shown.reasoning else None,
        figures=list(_figures(message, shown)),
        length=message.length if message.length > CHARACTERS_SHOWN else None,
    )


def _page(messages: QuerySet[Message]) -> tuple[list[Any], bool]:
    read = list(
        messages.defer("content", "reasoning", "metadata").annotate(
            text=_beginning("content"), thought=_beginning("reasoning"), length=Length("content")
        )[: MESSAGES_A_PAGE + 1]
    )
    found: list[Any] = []
    characters = 0
    for message in read[:MESSAGES_A_PAGE]:
        characters += len(message.text) + len(message.thought or "")
        if found and characters > CHARACTERS_A_PAGE:
            break
        found.append(message)
    return found, len(found) < len(read)


def _beginning(field: str) -> Left:
    # A message may have 8 MiB, and a page has many. The cast because integers are bound as bigint.
    return Left(field, Cast(Value(CHARACTERS_SHOWN), IntegerField()))


def _figures(message: Message, shown: Shown) -> list[str]:
    counts = (
        (message.input_tokens, _("%s in")),
        (message.reasoning_tokens, _("%s reasoning")),
        (message.output_tokens, _("%s out")),
    )
    figures = [text % compact(number) for number, text in counts if number and shown.tokens]
    if message.cost and shown.costs:
        figures.append(money(message.cost))
    if message.duration and shown.times:
        figures.append(duration(message.duration))
    return figures
