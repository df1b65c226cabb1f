"""A message that offers to do something about itself, such as Undo: a form in the toast, posted like any other.

Without script it stands on the next page. What the address does must still be allowed by itself: whoever holds the
page can post it later, or twice.
"""

import json
from dataclasses import asdict, dataclass, field

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class ToastAction:
    """A button of a toast: `url` is posted to with `fields`; htmx swaps `target` (a selector) with the answer."""

    label: str
    url: str
    target: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def offer(request: HttpRequest, sentence: str, action: ToastAction, *, level: int = messages.SUCCESS) -> None:
    """Say a sentence on this page's answer or on the next page, with a button beside it."""
    messages.add_message(request, level, sentence, extra_tags=_packed(action))


def message_with(sentence: str, action: ToastAction) -> Message:
    """The message that `offer` makes."""
    return Message(messages.SUCCESS, sentence, extra_tags=_packed(action))


def action_of(message: Message) -> ToastAction | None:
    """What `offer` put into a message; None where it is an ordinary one."""
    tags = message.extra_tags or ""
    return ToastAction(**json.loads(tags)) if tags.startswith("{") else None


def _packed(action: ToastAction) -> str:
    return json.dumps(asdict(action) | {"label": str(action.label)})
