"""Notices a key of one's own in an address or a form field that is not for keys."""

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote_plus

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.models import User
from apikeys.watching import LOOKS_LIKE_A_KEY, look_for_keys

FORM: Final = "application/x-www-form-urlencoded"
FOR_SECRETS: Final = frozenset({"api_key", "password", "csrfmiddlewaretoken"})
_KEY: Final = re.compile(LOOKS_LIKE_A_KEY)


class SpilledKeyMiddleware:
    """Pages only: where nothing looks like a key, this costs a search in the address and the fields, and no query."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        person = request.user
        if isinstance(person, User):
            spilled = [text for text in _texts(request) if _KEY.search(text)]
            if spilled:
                look_for_keys(user_id=person.pk, texts=spilled, place="request")
        return self.get_response(request)


def _texts(request: HttpRequest) -> Iterator[str]:
    yield request.path
    yield unquote_plus(request.META.get("QUERY_STRING", ""))
    if request.method == "POST" and request.content_type == FORM:
        for name, values in request.POST.lists():
            if name not in FOR_SECRETS:
                yield from (value for value in values if isinstance(value, str))
