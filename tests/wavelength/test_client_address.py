"""Whose network address a request came from, through proxies that may be believed and headers that may not."""

from collections.abc import Sequence

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from wavelength.addresses import client_address


@pytest.mark.parametrize(
    ("behind", "allowed", "peer", "forwarded", "client"),
    [
        (False, ["10.0.0.1"], "203.0.113.9", None, "203.0.113.9"),
        # Nobody in front is said to be there: the header is the caller's own.
        (False, ["10.0.0.1"], "10.0.0.1", "198.51.100.7", "10.0.0.1"),
        (True, ["10.0.0.1"], "10.0.0.1", "198.51.100.7", "198.51.100.7"),
        (True, ["10.0.0.0/8"], "10.0.0.1", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        # The caller wrote the first one.
        (True, ["10.0.0.1"], "10.0.0.1", "192.0.2.1, 198.51.100.7", "198.51.100.7"),
        # Past the proxy.
        (True, ["10.0.0.1"], "203.0.113.9", "198.51.100.7", "203.0.113.9"),
        (True, ["*"], "10.0.0.1", "192.0.2.1, 198.51.100.7", "198.51.100.7"),
        (True, ["10.0.0.1"], "10.0.0.1", None, "10.0.0.1"),
        (True, ["10.0.0.1"], "10.0.0.1", "unknown", "10.0.0.1"),
        (True, ["10.0.0.1"], "10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        (True, ["10.0.0.1"], "10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        (True, ["10.0.0.1"], "10.0.0.1", "2001:db8::7", "2001:db8::7"),
        (True, ["10.0.0.1"], "", "198.51.100.7", "198.51.100.7"),
        (False, ["10.0.0.1"], "", None, ""),
    ],
)
def test_it_is_the_last_address_that_no_caller_wrote(
    settings: Settings, behind: bool, allowed: Sequence[str], peer: str, forwarded: str | None, client: str
) -> None:
    settings.BEHIND_PROXY = behind
    settings.FORWARDED_ALLOW_IPS = allowed
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)) == client


@pytest.mark.parametrize(
    ("proxies", "allowed", "peer", "forwarded", "client"),
    [
        (1, ["*"], "10.0.0.1", "192.0.2.1, 198.51.100.7", "198.51.100.7"),
        # The inner proxy tells of the outer one, and that of the caller; what stands before, the caller wrote.
        (2, ["*"], "10.0.0.1", "192.0.2.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        (2, ["10.0.0.1"], "10.0.0.1", "192.0.2.1, 198.51.100.7, 203.0.113.1", "198.51.100.7"),
        # Past the outer one.
        (2, ["*"], "10.0.0.1", "198.51.100.7", "198.51.100.7"),
        # Past all of them.
        (2, ["10.0.0.1"], "203.0.113.9", "192.0.2.1, 198.51.100.7", "203.0.113.9"),
        (1, ["*"], "10.0.0.1", None, "10.0.0.1"),
        (1, ["*"], "10.0.0.1", "unknown", "10.0.0.1"),
    ],
)
def test_it_is_what_the_outermost_of_so_many_proxies_wrote(
    settings: Settings, proxies: int, allowed: Sequence[str], peer: str, forwarded: str | None, client: str
) -> None:
    settings.BEHIND_PROXY = True
    settings.TRUSTED_PROXIES = proxies
    settings.FORWARDED_ALLOW_IPS = allowed
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)) == client
