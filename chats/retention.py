"""How long chats and what tells of them are kept: as it is pruned, and as their owner reads it."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.privacy import Kept, in_days
from accounts.pruning import ForEach, Kind, Owned, days
from chats.changes import count_to_empty, empty_deleted_chats
from chats.models import KEPT


def _waiting(user_id: UUID) -> int:
    return count_to_empty(user_id=user_id)


def _empty(user_id: UUID) -> int:
    return empty_deleted_chats(user_id=user_id)


PRUNED: Final[tuple[Kind, ...]] = (
    ForEach("texts of deleted chats", "deleted_chats", _waiting, _empty),
    Owned("hand-overs", "handovers", days("HANDOVER_RETENTION_DAYS")),
    Owned("reports of hand-overs", "reports", days("HANDOVER_RETENTION_DAYS")),
    Owned("ended links to chats", "links", days("LINK_RETENTION_DAYS")),
)


def kept_of_chats() -> Iterator[Kept]:
    """What stays of a chat that was deleted, of a link that ended, of a hand-over."""
    hours = round(KEPT.total_seconds() / 3600)
    yield Kept(
        _("A deleted chat"),
        ngettext("%(hours)d hour", "%(hours)d hours", hours) % {"hours": hours},
        _("So that you can have it back. After that only its id stays, so that no browser brings it again."),
    )
    yield Kept(
        _("A link to a chat that has ended"),
        in_days(settings.LINK_RETENTION_DAYS),
        _("So that you can see what was shared."),
    )
    yield Kept(
        _("The report of a hand-over"),
        in_days(settings.HANDOVER_RETENTION_DAYS),
        _("So that you can see what came and what did not."),
    )
