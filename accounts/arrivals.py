"""Who comes with a life before the account: the browser's anonymous id, carried through sign-up and claimed after it.

The id travels in the signed-out session, which signing in keeps. It proves nothing (API.md): an account that claims
it gets no data by that, which comes from the browser itself (`chats/sync.py`). It only can be claimed by one account
alone, once, and whoever comes second changes nothing.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connections
from django.http import HttpRequest

from wavelength.ids import uuid7

ID_LENGTH: Final = 200
MOST_CHATS: Final = 10_000_000
CARRIED_AS: Final = "arrival"

CLAIM: Final = """
    INSERT INTO accounts_anonymoussession AS known (id, anonymous_id, claimed_by_id, claimed_at)
    VALUES (%s, %s, %s, now())
    ON CONFLICT (anonymous_id) DO UPDATE SET claimed_by_id = excluded.claimed_by_id, claimed_at = now()
     WHERE known.claimed_by_id IS NULL
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a browser brings: its anonymous id, perhaps empty, and how many chats it says it holds."""

    anonymous_id: str = ""
    chats: int = 0


def claim(*, anonymous_id: str, user_id: UUID) -> bool:
    """Note that an anonymous id belongs to an account, and answer whether it does since now.

    An id that was claimed before, by whomever, stays as it is; of several at once, one wins.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(CLAIM, [uuid7(), anonymous_id, user_id])
        return bool(cursor.rowcount)


def carry(request: HttpRequest, *, anonymous_id: str, chats: int = 0) -> None:
    """Remember in the session what this browser brings. What can be no id counts as none."""
    if len(anonymous_id) > ID_LENGTH or "\x00" in anonymous_id:
        anonymous_id = ""
    chats = min(max(chats, 0), MOST_CHATS)
    before = carried(request)
    arrival = {"anonymous_id": anonymous_id or before.anonymous_id, "chats": chats or before.chats}
    if (anonymous_id or chats) and arrival != request.session.get(CARRIED_AS):
        request.session[CARRIED_AS] = arrival


def carried(request: HttpRequest) -> Arrival:
    """What this browser brings; nothing, if nobody said so."""
    return Arrival(**request.session.get(CARRIED_AS, {}))


def arrive(request: HttpRequest, user_id: UUID) -> None:
    """Claim the carried id for who just signed in. The count of chats stays for `unpack`."""
    arrival = carried(request)
    if arrival.anonymous_id:
        claim(anonymous_id=arrival.anonymous_id, user_id=user_id)
        request.session[CARRIED_AS] = {"chats": arrival.chats}


def unpack(request: HttpRequest) -> int:
    """How many chats wait in this browser, told once."""
    return Arrival(**request.session.pop(CARRIED_AS, {})).chats if CARRIED_AS in request.session else 0
