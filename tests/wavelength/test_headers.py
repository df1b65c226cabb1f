"""What browsers are told of every answer, and how cookies are kept, on the real server with production's settings."""

import re
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.db import connections
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD, administering, make_person, signed_in
from tests.processes import ROOT, environment, serve
from tests.wavelength.test_error_pages import UnreachableError

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

HOST = "account.example.com"
PRODUCTION = {
    "SITE_URL": f"https://{HOST}",
    "ALLOWED_HOSTS": f"{HOST},127.0.0.1",
    "BEHIND_PROXY": "true",
    "FORWARDED_ALLOW_IPS": "127.0.0.1",
    "RATE_LIMIT_RESET": "1/h",
}
PAGES = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/offline/", "/healthz"]
PERSONAL = ["/", "/chats/", "/keys/", "/keys/new/", "/usage/", "/profile/", "/security/", "/privacy/", "/import/"]
ADMIN = ["/admin/", "/admin/accounts/user/", "/admin/analytics/"]
FILES = ["/static/css/components.css", "/static/js/portal.js", "/static/img/icons.svg", "/service-worker.js"]
POWERFUL = ["camera", "microphone", "geolocation", "usb", "serial", "payment", "midi", "display-capture"]


@pytest.fixture(scope="module")
def served(django_db_setup: None) -> Iterator[str]:
    with serve(**PRODUCTION) as running:  # type: ignore[arg-type]  # all of them are settings
        yield running.url


def browser(url: str, client: Client | None = None, **headers: str) -> httpx.Client:
    """As the proxy in front sends what a browser asks by https."""
    told = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1"} | headers
    if client is not None:
        told["Cookie"] = f"__Host-wl-session={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return httpx.Client(base_url=url, headers=told, timeout=30)


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    directives = [part.split() for part in answer.headers["Content-Security-Policy"].split(";") if part.strip()]
    return {name: sources for name, *sources in directives}


def refused(features: str) -> set[str]:
    return set(re.findall(r"([a-z-]+)=\(\)", features))


def guarded(answer: httpx.Response) -> None:
    """What a page and a file must say."""
    headers = answer.headers
    told = policy(answer)
    assert told["frame-ancestors"] == ["'none'"]
    assert told["object-src"] == told["base-uri"] == ["'none'"]
    assert told["default-src"] == told["style-src"] == ["'self'"]
    assert all(source == "'self'" or source.startswith("'nonce-") for source in told["script-src"])
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert set(POWERFUL) <= refused(headers["Permissions-Policy"])


def token_in(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found
    return found[1]


def cookies_of(page: httpx.Response) -> str:
    # httpx keeps no secure cookie of an address that is http.
    return "; ".join(line.partition(";")[0] for line in page.headers.get_list("set-cookie"))


def test_pages_and_files(served: str) -> None:
    with browser(served) as asking:
        for path in PAGES + FILES:
            answer = asking.get(path)
            assert answer.status_code == 200, path
            guarded(answer)


def test_personal_pages_and_the_admin(served: str) -> None:
    alice, olga = make_person("alice@example.com", "Alice"), make_person("olga@example.com", "Olga")
    for client, pages in ((signed_in(alice), PERSONAL), (administering(olga), ADMIN)):
        with browser(served, client) as asking:
            for path in pages:
                answer = asking.get(path)
                assert answer.status_code == 200, path
                guarded(answer)


def test_scripts_in_a_page_carry_its_nonce_which_comes_once(served: str) -> None:
    alice = make_person("alice@example.com", "Alice")
    with browser(served, signed_in(alice)) as asking:
        pages = [asking.get(path) for path in ("/", "/", "/usage/", "/security/")]
    nonces = []
    for page in pages:
        inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", page.text)
        allowed = [source[7:-1] for source in policy(page)["script-src"] if source.startswith("'nonce-")]
        for attributes in inline:
            if "application/json" not in attributes:
                assert re.search(r'nonce="([^"]+)"', attributes)[1] in allowed  # type: ignore[index]  # there is one
        assert not re.search(r"<[^>]+\son[a-z]+=", page.text), "no handler stands in the markup"
        assert not re.search(r"<[^>]+\sstyle=", page.text)
        nonces += allowed
    assert len(set(nonces)) == len(nonces)


def test_refusals_and_faults(served: str) -> None:
    with browser(served) as asking:
        for path, status in (("/nothing/", 404), ("/admin/", 302), ("/keys/", 302), ("/accounts/logout/", 302)):
            answer = asking.get(path)
            assert answer.status_code == status, path
            guarded(answer)
        without_token = asking.post("/accounts/login/", data={"login": "a@example.com"})
        assert without_token.status_code == 403
        guarded(without_token)
        for _ in range(2):
            page = asking.get("/accounts/password/reset/")
            often = asking.post(
                "/accounts/password/reset/",
                data={"email": "a@example.com", "csrfmiddlewaretoken": token_in(page)},
                headers={"Referer": f"https://{HOST}/", "Cookie": cookies_of(page)},
            )
        assert often.status_code == 429
        guarded(often)


def test_a_page_without_a_database_is_guarded_too(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnreachableError

    for way in ("call", "cursor", "set_autocommit"):
        monkeypatch.setattr(connections["default"], way, refuse)
    as_alice.raise_request_exception = False
    response = as_alice.get("/keys/")
    assert response.status_code == 503
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "camera" in refused(response["Permissions-Policy"])


def test_calls_of_the_api(served: str) -> None:
    alice = make_person("alice@example.com", "Alice")
    with browser(served, signed_in(alice)) as asking, browser(served) as nobody:
        for answer, status in (
            (asking.get("/api/profile"), 200),
            (asking.get("/api/nothing"), 404),
            (nobody.get("/api/profile"), 401),
            (asking.post("/api/profile", content=b"{"), 415),
        ):
            assert answer.status_code == status
            assert policy(answer) == {"default-src": ["'none'"], "frame-ancestors": ["'none'"]}
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
            assert answer.headers["Cache-Control"] == "no-store"
        for path in ("/api/auth/session", "/api/auth/providers", "/api/docs"):
            answer = asking.get(path)
            assert answer.status_code == 200, path
            guarded(answer)


def test_cookies_are_bound_to_this_host_and_https(served: str) -> None:
    make_person("alice@example.com", "Alice")
    with browser(served) as asking:
        page = asking.get("/accounts/login/")
        answer = asking.post(
            "/accounts/login/",
            data={"login": "alice@example.com", "password": PASSWORD, "csrfmiddlewaretoken": token_in(page)},
            headers={"Referer": f"https://{HOST}/accounts/login/", "Cookie": cookies_of(page)},
        )
        assert answer.status_code == 302
        set_cookies = [
            line
            for given in (page, answer, asking.get("/api/auth/csrf"))
            for line in given.headers.get_list("set-cookie")
        ]
    names = set()
    for line in set_cookies:
        (cookie,) = SimpleCookie(line).values()
        names.add(cookie.key)
        assert cookie.key.startswith("__Host-")
        assert cookie["secure"] is cookie["httponly"] is True, line
        assert (cookie["path"], cookie["domain"]) == ("/", "")
        assert cookie["samesite"] == "Lax"
    assert {"__Host-wl-session", "__Host-wl-csrf"} <= names


def test_djangos_own_check_finds_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=Path(ROOT),
        # Playwright's tests set it in this process.
        env={name: value for name, value in environment(**PRODUCTION).items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "no issues" in run.stdout


@pytest.mark.parametrize("password", ["short", "password123", "1234567890", "qwertyuiop"])
def test_short_and_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, User(email="alice@example.com", name="Alice"))


@pytest.mark.parametrize("password", ["zebra crossing", "83920174650912", "alice@example.com"])
def test_passwords_need_no_capitals_digits_or_signs(password: str) -> None:
    validate_password(password, User(email="alice@example.com", name="Alice"))
    assert len(password_validators_help_texts()) == 2, "length, and the list of common ones"
