"""Who sends the request that is being served: their network address, their device, the request's id."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from ipaddress import ip_address
from random import getrandbits
from time import time_ns
from typing import Final

from django.conf import settings
from django.http import HttpRequest

from wavelength.addresses import client_address
from wavelength.devices import device_of

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Caller:
    """The request that is being served, as what is remembered of it; each part is looked at when it is asked for."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @cached_property
    def address(self) -> str | None:
        """The network address, None where the server knows none (a Unix socket)."""
        try:
            return str(ip_address(client_address(self.request).partition("%")[0]))
        except ValueError:
            return None

    @cached_property
    def device(self) -> str:
        """Browser and system in a few words, such as `Firefox on Linux`; empty when the request says nothing."""
        return device_of(str(self.request.META.get("HTTP_USER_AGENT", "")))

    @cached_property
    def request_id(self) -> str:
        """The proxy's X-Request-ID where there is a proxy, else one of our own."""
        told = str(self.request.META.get("HTTP_X_REQUEST_ID", "")) if settings.BEHIND_PROXY else ""
        # Not secret, so not of the system's randomness, whose every call lets another thread go first.
        return told if _REQUEST_ID.fullmatch(told) else f"{time_ns():016x}{getrandbits(64):016x}"


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller | None:
    """Who is being answered now; None in jobs and commands."""
    return _caller.get()


@contextmanager
def serving(caller: Caller) -> Iterator[None]:
    """Remember whose request is being served, for logs and the audit trail."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)
