"""The real `next-auth` client from npm against the running server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import User
from accounts.sessions import SessionStore
from tests import node
from tests.processes import free_port, serve
from tests.servers.oauth import Google

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@dataclass
class Browser:
    """A browser with the web client's session code, and the cookies it gathers."""

    origin: str
    cookies: dict[str, str] = field(default_factory=dict)

    def call(self, *steps: list[Any]) -> list[dict[str, Any]]:
        """What each call of `next-auth/react` gave and where it sent the browser."""
        told = json.dumps({"origin": self.origin, "cookies": self.cookies, "steps": steps})
        answer = json.loads(node.run("nextauth_client.mjs", stdin=told))
        self.cookies = answer["cookies"]
        assert answer["failures"] == []
        results: list[dict[str, Any]] = answer["results"]
        return results

    def visit(self, address: str) -> httpx.Response:
        """Opens a page of ours with the cookies, and keeps what it sets."""
        header = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = httpx.get(address, headers={"Cookie": header})
        self.cookies.update(response.cookies)
        return response


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[tuple[str, Google]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        Google(f"{url}/api/auth/callback/google") as google,
        serve(
            port=port,
            SITE_URL=url,
            DJANGO_SETTINGS_MODULE="tests.servers.settings",
            GITHUB_CLIENT_ID="",
            GOOGLE_CLIENT_ID=google.client_id,
            GOOGLE_CLIENT_SECRET=google.client_secret,
            LOCAL_GOOGLE=json.dumps(google.settings),
        ) as running,
    ):
        yield running.url, google


@pytest.fixture
def browser(site: tuple[str, Google]) -> Browser:
    return Browser(site[0])


@pytest.fixture
def google(site: tuple[str, Google]) -> Google:
    return site[1]


def sign_in(browser: Browser, person: User) -> None:
    """Gives the browser a session of this person."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)


def test_signed_out_browser_has_no_session(browser: Browser) -> None:
    assert browser.call(["getSession"])[0]["value"] is None


def test_get_session_tells_who_is_signed_in(browser: Browser, alice: User) -> None:
    sign_in(browser, alice)

    session = browser.call(["getSession"])[0]["value"]

    assert session["user"]["email"] == "alice@example.com"
    assert set(session) == {"user", "expires"}


def test_get_providers_lists_what_is_configured(browser: Browser) -> None:
    listed = browser.call(["getProviders"])[0]["value"]

    assert {id_: entry["type"] for id_, entry in listed.items()} == {"email": "email", "google": "oauth"}
    assert listed["google"]["signinUrl"] == f"{browser.origin}/api/auth/signin/google"


def test_get_csrf_token_is_stable_in_one_browser(browser: Browser) -> None:
    first, second = browser.call(["getCsrfToken"], ["getCsrfToken"])

    assert len(first["value"]) == 64
    assert first == second


def test_sign_in_with_google_goes_all_the_way_and_sign_out_back(browser: Browser, google: Google) -> None:
    (begun,) = browser.call(["signIn", "google", {"callbackUrl": f"{browser.origin}/chats/?from=google"}])
    assert begun["wentTo"].startswith(google.settings["AUTHORIZE_URL"])

    back = httpx.get(begun["wentTo"]).headers["location"]
    assert urlsplit(back).path == "/api/auth/callback/google"
    arrived = browser.visit(back)
    assert (arrived.status_code, arrived.headers["location"]) == (302, f"{browser.origin}/chats/?from=google")

    session, left, after = browser.call(["getSession"], ["signOut", {"callbackUrl": "/"}], ["getSession"])
    assert session["value"]["user"]["email"] == google.person.email
    assert left["wentTo"] == f"{browser.origin}/"
    assert after["value"] is None


def test_sign_in_by_email_answers_with_the_sign_in_page(browser: Browser) -> None:
    (answer,) = browser.call(
        ["signIn", "email", {"redirect": False, "email": "a@example.com", "callbackUrl": "/chats/"}]
    )

    assert answer["value"]["ok"] is True
    assert answer["value"]["error"] is None
    assert answer["value"]["url"].startswith(f"{browser.origin}/accounts/login/?")


def test_sign_out_without_redirect_ends_the_session(browser: Browser, alice: User) -> None:
    sign_in(browser, alice)

    before, left, after = browser.call(["getSession"], ["signOut", {"redirect": False}], ["getSession"])

    assert before["value"]["user"]["id"] == str(alice.pk)
    assert left["value"]["url"].startswith(browser.origin)
    assert after["value"] is None
