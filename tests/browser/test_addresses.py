"""No page is left out: every address that answers with one is in a list of `addresses.py`, by who sees it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from pytest_django import Settings

from accounts.models import User
from tests.browser.addresses import ELSEWHERE, INSIDE, NO_PAGES, OUTSIDE, PROTECTED, RECENT
from tests.conftest import signed_in
from tests.wavelength.test_tenancy_urls import IDS, fresh_from_password

# Operators' pages, and addresses of which none is a page of the portal.
APART = ("admin/", "api/", "^api")
NOBODY = "00000000-0000-7000-8000-000000000000"


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for found in resolver.url_patterns:
        route = before + str(found.pattern)
        if route.startswith(APART):
            continue
        if isinstance(found, URLResolver):
            yield from routes(found, route)
        else:
            assert isinstance(found, URLPattern)
            yield route.replace("^", "")  # as `resolve` tells it


ROUTES = list(dict.fromkeys(routes(get_resolver())))


def listed(paths: Iterable[str]) -> set[str]:
    """The routes that these addresses lead to; one that leads nowhere counts for none."""
    examples = {"passkey": "1", "reset": "x-nothing", "confirmation": "nothing", "reactivation": "nothing"}
    names = defaultdict(lambda: NOBODY, examples)
    addresses = {path.partition("?")[0].format_map(names) for path in paths}
    return {resolve(address).route.replace("^", "") for address in addresses - {"/nothing/"}}


def pages_of(client: Client, person: User) -> set[str]:
    """The routes that answer this person, or nobody, with a page."""
    # Passkeys that cannot be used come last: who has one is asked for it.
    ordered = sorted(ROUTES, key=lambda route: "<int:pk>" in route)
    return {route for route in ordered if _is_page(client.get(_address(route, person)))}


def _address(route: str, person: User) -> str:
    path = re.sub(r"\(\?P<\w+>[^)]*\)", "x", route.removesuffix("$"))
    value = IDS[route].of(person) if route in IDS else NOBODY
    return "/" + re.sub(r"<[^>]+>", str(value), path)


def _is_page(answer: Any) -> bool:
    # A link that leads nowhere answers 401, 404 or 410 in a page of its own; 405 is no page of anything.
    refused = answer.status_code in (401, 410) or (answer.status_code == 404 and b"This link" in answer.content)
    return (answer.status_code == 200 or refused) and answer["Content-Type"].startswith("text/html")


@pytest.fixture(autouse=True)
def _nowhere(settings: Settings) -> None:
    settings.PROVIDER_BASE_URLS = dict.fromkeys(settings.PROVIDER_BASE_URLS, "http://127.0.0.1:9")


def test_every_page_is_looked_at_signed_out(alice: User, anonymous: Client) -> None:
    found = pages_of(anonymous, alice)
    assert len(found) > 10
    assert sorted(found - listed(OUTSIDE) - set(ELSEWHERE) - {"live/"}) == [], "add them to tests/browser/addresses.py"


def test_every_page_is_looked_at_signed_in(alice: User) -> None:
    found = pages_of(fresh_from_password(alice), alice)
    assert len(found) > 30
    assert sorted(found - listed((*INSIDE, *RECENT, *PROTECTED)) - set(ELSEWHERE)) == [], "add them to addresses.py"


def test_every_page_is_looked_at_with_a_second_factor(bob: User) -> None:
    TOTP.activate(bob, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    code = RecoveryCodes.activate(bob).get_unused_codes()[0]
    client = signed_in(bob)
    assert client.post("/accounts/2fa/reauthenticate/", {"code": code}).status_code == 302
    found = {route for route in ROUTES if "2fa" in route and route not in IDS and _is_page(client.get(f"/{route}"))}
    assert len(found) >= 4
    assert sorted(found - listed((*RECENT, *PROTECTED)) - set(ELSEWHERE)) == [], "add them to addresses.py"


def test_what_answers_get_is_a_page_or_named_as_none(alice: User) -> None:
    """Neither too few nor too many: an address is posted to, a page that is listed, or an exception with a reason."""
    client = fresh_from_password(alice)
    known = listed((*OUTSIDE, *INSIDE, *RECENT, *PROTECTED)) | set(ELSEWHERE) | set(NO_PAGES)
    unknown = [
        route for route in ROUTES if route not in known and client.get(_address(route, alice)).status_code != 405
    ]
    assert unknown == []
    assert sorted((set(ELSEWHERE) | set(NO_PAGES)) - set(ROUTES)) == [], "these addresses are gone"


def test_what_is_looked_at_elsewhere_is() -> None:
    tests = {
        node.name
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    for route, reason in ELSEWHERE.items():
        assert reason.rpartition(" ")[2].removesuffix(".") in tests, route
