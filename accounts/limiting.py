"""How often anybody may try to sign in and call the JSON API.

Calls are counted by person, whatever browsers and scripts they come from, by token, and by address where nobody is
signed in. Tries to sign in, up and to have a password reset are allauth's to count (ACCOUNT_RATE_LIMITS).
"""

from typing import Final

from django.conf import settings
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.bearer import refusal_of
from accounts.presence import notice
from accounts.sessions import may_be_ours
from wavelength.addresses import client_address, network_of
from wavelength.limits import seconds_to_wait
from wavelength.middleware import SAFE_METHODS, GetResponse, is_api, is_bearer, is_page
from wavelength.refusals import SOON, too_many_requests

# What was used is recorded, however much it was: a provider has been paid for it. A limit of its own, off at first.
RECORDING: Final = frozenset({"/api/profile/usage", "/api/usage/sync"})
RESERVATIONS: Final = "/api/usage/reservations"
# Pages whose tries are counted by address.
TRIES: Final = {"account_login": "signin", "account_signup": "signup", "account_reset_password": "reset"}
MOST: Final = 50_000  # sessions whose person a process remembers

# A session is one person's for as long as it lives: signing in gives it another key.
_people: dict[str, str] = {}


class ApiLimitMiddleware:
    """Refuses calls that come too often, from this process's memory but for one question to the store in up to fifty;
    and calls whose token does not let them in (accounts/bearer.py).

    Whose session it is, is asked once in each process, whose token once a minute, and whoever is answered is noticed
    (accounts/presence.py).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_api(request.path):
            return self.get_response(request)
        limit = _limit_of(request)
        person = None
        if is_bearer(request) and not is_page(request.path):
            # A script's call says of nobody that they are here.
            refusal = refusal_of(request, limit)
            if refusal is not None:
                return refusal
        else:
            is_limited = settings.RATE_LIMITS[limit] is not None
            person = _person_of(request) if is_limited or limit == "api" else None
            if is_limited and (seconds := seconds_to_wait(limit, person or _address_of(request))):
                return too_many_requests(request, seconds)
        response = self.get_response(request)
        # Answered, so the session holds. Of pages it is known in a better place, and who records stands in the ledger.
        if person is not None and response.status_code < 400 and not is_page(request.path):
            notice(person)
        return response


def too_many_tries(request: HttpRequest) -> HttpResponse:
    """What allauth answers when it refuses: 429, with a time after which it surely does not for this reason."""
    name = request.resolver_match.url_name if request.resolver_match else None
    rate = settings.RATE_LIMITS[TRIES[name]] if name in TRIES else None
    return too_many_requests(request, max(SOON, rate[1] if rate else 0))


def _limit_of(request: HttpRequest) -> str:
    recording = request.path in RECORDING or request.path.startswith(RESERVATIONS)
    return "recording" if recording and request.method not in SAFE_METHODS else "api"


def _person_of(request: HttpRequest) -> str | None:
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if not key:
        return None
    return _people.get(key) or (_person_behind(key) if may_be_ours(key) else None)


def _address_of(request: HttpRequest) -> str:
    return f"address {network_of(client_address(request))}"


def _person_behind(key: str) -> str | None:
    """Whose session this is. Sessions nobody has are not remembered: who makes them up is counted by address."""
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT user_id FROM accounts_session WHERE session_key = %s AND expire_date > now()", [key])
            row = cursor.fetchone()
    except Error:
        # The call will meet the same, and says it better.
        return None
    if row is None or row[0] is None:
        return None
    if len(_people) >= MOST:
        _people.clear()
    _people[key] = str(row[0])
    return _people[key]
