"""What a person may ask of their data, how far that is, and how long what is kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import DataArchive, ErasureRequest, User
from accounts.pruning import PRESENCE


class Stage(StrEnum):
    """How far a request is; ``not_offered`` where nothing here could serve it."""

    NOT_OFFERED = "not_offered"
    NONE = "none"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Archive:
    """Everything of a person as one file: being made, ready until a moment, or failed."""

    stage: Stage
    asked_at: datetime | None = None
    expires_at: datetime | None = None
    size: int = 0
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """An account's end: asked for at a moment, to happen at another, until when it can be called off."""

    stage: Stage
    asked_at: datetime | None = None
    happens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of data, how long it is kept, and what for."""

    what: str | Promise
    how_long: str
    why: str | Promise


# What the apps above this one keep for a time of their own, told when they are ready.
KEEPERS: Final[list[Callable[[], Iterable[Kept]]]] = []


def archive_of(user: User) -> Archive:
    """The latest archive that a person asked for, inside their ``tenant()``."""
    found = DataArchive.objects.filter(user_id=user.pk).first()
    if found is None or (found.expires_at is not None and found.expires_at <= timezone.now()):
        return Archive(Stage.NONE)
    return Archive(Stage(found.state), asked_at=found.asked_at, expires_at=found.expires_at, size=found.size)


def erasure_of(user: User) -> Erasure:
    """Whether a person asked for their account to be erased, inside their ``tenant()``."""
    request = ErasureRequest.objects.filter(user_id=user.pk).first()
    if request is None:
        return Erasure(Stage.NONE)
    return Erasure(Stage.ASKED, asked_at=request.asked_at, happens_at=request.happens_at)


def kept() -> list[Kept]:
    """What is kept and how long, from the settings that decide it."""
    return _of_accounts() + _of_ways_in() + [row for tell in KEEPERS for row in tell()]


def _of_accounts() -> list[Kept]:
    days = settings.DEACTIVATED_RETENTION_DAYS
    return [
        Kept(
            _("Profile, chats, provider keys, usage"),
            _("As long as you have the account, or until you delete it"),
            _("They are what the account is for."),
        ),
        Kept(
            _("Activity of your account"),
            in_days(settings.AUDIT_RETENTION_DAYS),
            _("So that you can see who did what."),
        ),
        Kept(
            _("A deactivated account"),
            ngettext("%(days)d day to bring it back", "%(days)d days to bring it back", days) % {"days": days},
            _("So that you can change your mind."),
        ),
        Kept(
            _("An account to be erased"),
            ngettext("%(days)d day to call it off", "%(days)d days to call it off", days) % {"days": days},
            _("So that you can change your mind. Of the erasure itself only a count stays, which names nobody."),
        ),
        Kept(
            _("An archive of your data"),
            in_days(settings.ARCHIVE_RETENTION_DAYS),
            _("So that you can download it."),
        ),
    ]


def _of_ways_in() -> list[Kept]:
    return [
        Kept(
            _("A browser that is signed in"),
            in_days(timedelta(seconds=settings.SESSION_COOKIE_AGE).days),
            _("So that you need not sign in each time."),
        ),
        Kept(
            _("API tokens"),
            _("Until you revoke or remove them"),
            _("So that your scripts can use the account. Of a token only a hash is kept."),
        ),
        Kept(
            _("A browser without an account"),
            in_days(settings.ANONYMOUS_RETENTION_DAYS),
            _("So that its messages of a day can be counted, and it can be joined to an account."),
        ),
        Kept(
            _("The days on which you were here"),
            in_days(PRESENCE.days),
            _("So that active people can be counted, without their names."),
        ),
        Kept(
            _("Links to set a new password"),
            in_days(timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days),
            _("So that an old letter opens nothing."),
        ),
    ]


def in_days(days: int) -> str:
    """So many days, in words."""
    return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}
