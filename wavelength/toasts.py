"""A message that offers to do something about itself, such as Undo: a form in the toast, posted like any other.

Without script it stands on the next page. What the address does must still be allowed by itself: whoever holds the
page can post it later, or twice.
"""

import json
from dataclasses import dataclass, field

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
    asked = {"label": str(action.label), "url": action.url, "target": action.target, "fields": action.fields}
    messages.add_message(request, level, sentence, extra_tags=json.dumps(asked))


def action_of(message: Message) -> ToastAction | None:
    """What `offer` put into a message; None where it is an ordinary one."""
    tags = message.extra_tags or ""
    return ToastAction(**json.loads(tags)) if tags.startswith("{") else None
