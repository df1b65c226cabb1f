"""Answers that say no: too often, not now, broken. Each is a page of the product, and the envelope under ``/api``."""

import sys
from http import HTTPStatus
from typing import Final

import psycopg
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.views.decorators.cache import never_cache

from wavelength.contract import failure
from wavelength.limits import TooOftenError
from wavelength.middleware import SENTENCES, GetResponse, is_api

# Seconds after which trying again makes sense, where nobody knows better.
SOON: Final = 60
WHILE_DOWN: Final = 15

_AWAY: Final = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
# What PostgreSQL says that psycopg takes for a mistake of ours: a standby or a full disk takes no writes
# (read_only_sql_transaction), and a transaction was ended because nobody went on with it.
_AWAY_STATES: Final = ("25006", "25P03", "25P04")


def too_many_requests(request: HttpRequest, retry_after: int = SOON) -> HttpResponse:
    """429, with the seconds to wait in `Retry-After` and in the page's words."""
    response = (
        render(request, "429.html", {"seconds": retry_after, "minutes": -(-retry_after // 60)}, status=429)
        if not is_api(request.path)
        else failure(429, *SENTENCES[429])
    )
    response["Retry-After"] = str(retry_after)
    return response


class TooOftenMiddleware:
    """Answers with that page where a view found a limit reached; what the view wrote before is rolled back."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return too_many_requests(request, exception.seconds) if isinstance(exception, TooOftenError) else None


class FormsOnlyMiddleware:
    """A page instead of nothing where somebody arrives at an address that only takes what a form sends.

    So does who had to sign in again halfway: signing in leads back to where they were sent from.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or request.method != "GET" or is_api(request.path):
            return response
        page = render(request, "405.html", status=HTTPStatus.METHOD_NOT_ALLOWED)
        page["Allow"] = response["Allow"]
        return page


@never_cache
def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: 503 while the database cannot serve, else 500.

    Asks nothing of anything: no database, no session, no context processor.
    """
    down = is_database_away(sys.exception())
    status = 503 if down else 500
    response = HttpResponse(loader.get_template(f"{status}.html").render(), status=status)
    if down:
        response["Retry-After"] = str(WHILE_DOWN)
    return response


def is_database_away(error: BaseException | None) -> bool:
    """Whether this came about because the database cannot serve now, so that trying again makes sense.

    Cannot be reached, is shutting down or starting, has no connection or room left, takes no writes, or was too slow
    (its timeouts); also where another exception was raised from that, as a queue and `atomic` do.
    """
    while error is not None:
        if isinstance(error, _AWAY) or getattr(error, "sqlstate", None) in _AWAY_STATES:
            return True
        error = error.__cause__
    return False
