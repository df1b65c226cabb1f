"""Answers that say no: too often, not now, broken. Each is a page of the product, and the envelope under ``/api``."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.views.decorators.cache import never_cache

from wavelength.contract import failure
from wavelength.middleware import SENTENCES, is_page

# Seconds after which trying again makes sense, where nobody knows better.
SOON: Final = 60
WHILE_DOWN: Final = 15


def too_many_requests(request: HttpRequest, retry_after: int = SOON) -> HttpResponse:
    """429, with the seconds to wait in `Retry-After` and in the page's words."""
    response = (
        render(request, "429.html", {"seconds": retry_after, "minutes": -(-retry_after // 60)}, status=429)
        if is_page(request.path)
        else failure(429, *SENTENCES[429])
    )
    response["Retry-After"] = str(retry_after)
    return response


@never_cache
def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: 503 while the database cannot be reached, else 500.

    Asks nothing of anything: no database, no session, no context processor.
    """
    down = isinstance(sys.exception(), OperationalError | InterfaceError)
    status = 503 if down else 500
    response = HttpResponse(loader.get_template(f"{status}.html").render(), status=status)
    if down:
        response["Retry-After"] = str(WHILE_DOWN)
    return response
