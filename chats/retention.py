"""How long chats are kept, as their owner reads it."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.privacy import Kept
from chats.models import KEPT


def kept_of_chats() -> Iterator[Kept]:
    """What stays of a chat that was deleted."""
    hours = round(KEPT.total_seconds() / 3600)
    yield Kept(
        _("A deleted chat"),
        ngettext("%(hours)d hour", "%(hours)d hours", hours) % {"hours": hours},
        _("So that you can have it back. After that only its id stays, so that no browser brings it again."),
    )
