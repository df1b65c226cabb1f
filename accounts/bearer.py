"""Calls of the JSON API that show a token: whose it is, and when it is refused.

The database is asked with every call, together with its question where the call enters by itself (`ask_as_session`).
Of a token that was found living a process remembers for a minute whose it is, which its limits are counted by; nobody
is let in by that.
"""

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

import orjson
from django.db import connections
from django.http import HttpRequest, HttpResponse

from accounts.models import User
from accounts.rows import read_row
from accounts.tokens import TOKEN, hash_of
from wavelength.addresses import client_address, network_of
from wavelength.contract import ApiError, failure
from wavelength.limits import seconds_to_wait
from wavelength.middleware import SAFE_METHODS
from wavelength.refusals import too_many_requests
from wavelength.tenancy import ask_entering

if TYPE_CHECKING:
    from wavelength.tenancy.base import DatabaseWrapper

# One answer for every token that does not work, so that none tells whether it ever did (RFC 6750 §3).
REFUSED: Final = (
    401,
    "invalid_token",
    "This token does not work: it is unknown, has ended or was revoked. Make another one under Developers.",
)
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
READ_ONLY: Final = (
    403,
    "token_read_only",
    "This token may only read. Make one under Developers that may change things too.",
)
# What stands in the stamp's place where `enter` is given a token's hash instead of a session's key.
STAMP: Final = "token"
REMEMBERED: Final = 60  # seconds; `last_used_at` is as exact
MOST: Final = 50_000  # tokens that a process remembers


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token is shown, by their id, and what it may; until then, on the clock of `monotonic`."""

    token: str
    person: str
    read_only: bool
    until: float


_bearers: dict[str, Bearer] = {}


def hash_shown(request: HttpRequest) -> str | None:
    """The hash of the token that a bearer's request shows; None for what cannot be one of ours."""
    shown = str(request.META["HTTP_AUTHORIZATION"])[7:].strip(" ")
    return hash_of(shown) if TOKEN.fullmatch(shown) else None


def person_of_token(request: HttpRequest) -> User:
    """Whose token a bearer's request shows, in one query. Raises ApiError 401 where it is nobody's, or no more."""
    shown = hash_shown(request)
    if shown is not None:
        (person,) = cast("DatabaseWrapper", connections["default"]).call("person_of_token", shown)
        if person is not None:
            return read_row(User, orjson.loads(person))
    raise not_a_token()


def not_a_token() -> ApiError:
    return ApiError(*REFUSED, headers=CHALLENGE)


def forget() -> None:
    """Remember no token of this process any more."""
    _bearers.clear()


def refusal_of(request: HttpRequest, limit: str) -> HttpResponse | None:
    """Why a bearer's call is not let in, if it is not: no living token, one that may only read, or too many calls.

    ``limit`` is what its person's calls are counted by; of those of the API the token's are counted, too. Tokens that
    do not work are counted by address.
    """
    shown = hash_shown(request)
    bearer = _bearer_behind(shown) if shown else None
    if bearer is None:
        seconds = seconds_to_wait("failed_tokens", f"address {network_of(client_address(request))}")
        return too_many_requests(request, seconds) if seconds else failure(*REFUSED, headers=CHALLENGE)
    if bearer.read_only and request.method not in SAFE_METHODS:
        return failure(*READ_ONLY)
    seconds = seconds_to_wait(limit, bearer.person)
    if not seconds and limit == "api":
        seconds = seconds_to_wait("token", bearer.token)
    return too_many_requests(request, seconds) if seconds else None


def _bearer_behind(shown: str) -> Bearer | None:
    """Whose token this is; noted as a use of it. One that is nobody's is not remembered."""
    known = _bearers.get(shown)
    if known is not None and monotonic() < known.until:
        return known
    _bearers.pop(shown, None)
    row = ask_entering("use_token", shown)
    if row is None:
        return None
    token, person, read_only = row
    if len(_bearers) >= MOST:
        _bearers.clear()
    bearer = Bearer(str(token), str(person), read_only == "true", monotonic() + REMEMBERED)
    _bearers[shown] = bearer
    return bearer
