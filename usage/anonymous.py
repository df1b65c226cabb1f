"""Browsers without an account: how many messages each may send a day, and one address for all of its browsers.

A browser is known by the anonymous id that it keeps; days are those of UTC. What is counted here is nobody's: it enters
no account's quota, and when an account claims the id (`chats/sync.py`), nothing is carried over. A claimed id counts
on as any other: somebody may sign out and go on in the same browser, and no answer tells which ids are claimed.
An address is stored only as an HMAC with a key of its day, so that it can be neither read nor followed
from day to day without SECRET_KEY.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.db import connections
from django.utils.crypto import salted_hmac

from usage.models import AnonymousDay
from wavelength.addresses import network_of
from wavelength.metrics import QUOTA_REFUSALS
from wavelength.tallies import Happened, tally

DAILY_MESSAGES: Final = 50
ID_LENGTH: Final = 200
ENOUGH: Final = f"You have sent today's {DAILY_MESSAGES} messages. Sign in to go on, or come back tomorrow."


@dataclass(frozen=True, slots=True)
class AnonymousAllowance:
    """What a browser may still send today, until midnight UTC (`resets_at`)."""

    anonymous_id: str
    daily_limit: int
    used: int
    remaining: int
    resets_at: datetime


class AnonymousIdError(ValueError):
    """This can be nobody's anonymous id; the text is a sentence."""


class AnonymousLimitError(RuntimeError):
    """No further message today, and none was counted; `sentence` says what to do."""

    def __init__(self, sentence: str, allowance: AnonymousAllowance) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.allowance = allowance
        self.resets_at = allowance.resets_at


# What refused a message, as `usage_count_anonymous` says it.
_SENTENCES: Final = {
    "session": ENOUGH,
    "address": "Too many messages came from your network today. Sign in to go on, or come back tomorrow.",
}


def allowance_of(anonymous_id: str | None, *, at: datetime | None = None) -> AnonymousAllowance:
    """What a browser may still send today; without an id, that of a new one. Counts and stores nothing.

    Raises AnonymousIdError.
    """
    name, day = _name(anonymous_id), _day(at)
    counted = AnonymousDay.objects.filter(day=day, scope=AnonymousDay.Scope.SESSION, name=name)
    return _allowance(name, day, counted.values_list("messages", flat=True).first() or 0)


def count_message(*, anonymous_id: str | None, address: str, at: datetime | None = None) -> AnonymousAllowance:
    """Count one message of a browser, from a network address, and answer what is left.

    Concurrent callers never pass a limit together, and what is refused counts nothing. `at` is the present, this
    process's clock without it. Raises AnonymousLimitError, AnonymousIdError.
    """
    name, day = _name(anonymous_id), _day(at)
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM usage_count_anonymous(%s, %s, %s, %s::integer, %s::integer)",
            [day, name, _sealed(address, day), DAILY_MESSAGES, settings.ANONYMOUS_ADDRESS_DAILY_LIMIT],
        )
        messages, refused = cursor.fetchone()
    allowance = _allowance(name, day, messages)
    if refused:
        QUOTA_REFUSALS.labels("anonymous").inc()
        tally(Happened("refusal", "anonymous"))
        raise AnonymousLimitError(_SENTENCES[refused], allowance)
    return allowance


def _name(anonymous_id: str | None) -> str:
    name = anonymous_id or str(uuid4())
    if len(name) > ID_LENGTH or "\x00" in name:
        raise AnonymousIdError(f"An anonymous id has at most {ID_LENGTH} characters.")
    return name


def _day(at: datetime | None) -> date:
    return (at or datetime.now(UTC)).astimezone(UTC).date()


def _allowance(name: str, day: date, messages: int) -> AnonymousAllowance:
    resets_at = datetime.combine(day + timedelta(days=1), time(), UTC)
    return AnonymousAllowance(name, DAILY_MESSAGES, messages, max(0, DAILY_MESSAGES - messages), resets_at)


def _sealed(address: str, day: date) -> str:
    salt = f"wavelength.usage.anonymous.{day.isoformat()}"
    return salted_hmac(salt, network_of(address), algorithm="sha256").hexdigest()
