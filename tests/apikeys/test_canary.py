"""A key goes through everything that may happen to it; afterwards it is found nowhere but sealed.

Against the real server with its log, metrics, cache and sessions, the archive of a person's data, local providers that
repeat the key they were sent, and the files of PostgreSQL itself, write-ahead log included.
"""

import io
import json
import os
import re
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from accounts.archiving import write_archive
from accounts.models import Session, User
from accounts.sessions import SessionStore
from apikeys import vault
from apikeys.models import ApiKey
from tests.apikeys.conftest import KEYS_URL
from tests.conftest import PASSWORD, administering, signed_in
from tests.processes import Running, serve
from tests.servers.local import Received, Reply, json_reply
from tests.servers.providers import OpenAI
from tests.writings import writings
from wavelength.tenancy import tenant

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"]),
    pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="the server's files are elsewhere"),
]
CANARY = f"sk-canary-{secrets.token_hex(16)}"
OTHERS = [f"sk-canary-{secrets.token_hex(16)}" for _ in range(5)]
# What is stored in the clear beside it: when it is not found, the search finds nothing at all.
MARKER = f"marker-{secrets.token_hex(16)}"
TOKEN = re.compile(r'value="(wl_[A-Za-z0-9_-]{43})"')
JSON = {"Content-Type": "application/json"}
PAGE = "/keys/new/"
TRIAL = "/keys/new/trial/"


class Parrot(OpenAI):
    """A provider that says the key back to whoever asks, in body and headers, as none should."""

    def answer(self, request: Received) -> Reply:
        key = self.key_of(request)
        status = {"unauthorized": 401, "forbidden": 403, "limited": 429, "broken": 500}.get(self.mode, 200)
        body = self.listing("/models") if self.mode == "ok" else {"error": f"Incorrect API key provided: {key}"}
        return json_reply(body, status, X_Key=key)


class Browser:
    """A signed-in browser that remembers every byte it was shown."""

    def __init__(self, running: Running, client: Client) -> None:
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.http = httpx.Client(base_url=running.url, cookies={settings.SESSION_COOKIE_NAME: cookie}, timeout=30)
        self.seen = b""

    def call(self, method: str, url: str, **more: object) -> httpx.Response:
        response = self.http.request(method, url, **more)  # type: ignore[arg-type]  # httpx's own options
        self.seen += response.content + repr(response.headers.raw).encode()
        return response

    def post_form(self, url: str, to: str = "", **fields: str) -> httpx.Response:
        page = self.call("GET", url)
        token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        assert token
        headers = {"Referer": f"{self.http.base_url}{url}", "Origin": str(self.http.base_url).rstrip("/")}
        return self.call("POST", to or url, data=fields | {"csrfmiddlewaretoken": token}, headers=headers)


@pytest.mark.parametrize("debug", ["false", "true"])
def test_it_is_found_only_sealed(alice: User, bob: User, tmp_path: Path, debug: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with (
        Parrot() as provider,
        serve(
            OPENAI_BASE_URL=provider.base_url,
            PROVIDER_TIMEOUT="5",
            DEBUG=debug,
            TMPDIR=str(temporary),
            ALLOW_PRIVATE_PROVIDER_ADDRESSES="true",
        ) as running,
    ):
        browser, admin = Browser(running, signed_in(alice)), Browser(running, administering(bob))
        key_id = add_and_fail_to_add(browser)
        for mode in ("ok", "unauthorized", "forbidden", "limited", "broken", "garbage"):
            provider.mode = mode
            assert browser.call("POST", f"{KEYS_URL}/{key_id}/validation").status_code == 200
        hand_over(browser)
        stranger = Browser(running, signed_in(alice))
        stranger.http.cookies.clear()
        assert stranger.post_form("/accounts/login/", login=alice.email, password=CANARY).status_code == 200
        look_around(browser, admin, key_id)
        with nothing_can_be_stored():
            assert browser.call("POST", KEYS_URL, json=body(OTHERS[0])).status_code == 500
            assert browser.post_form(PAGE, provider="openai", api_key=OTHERS[1]).status_code == 500
        metrics = httpx.get(f"{running.url}/metrics").content
        log = running.log

    assert {CANARY, OTHERS[2]} <= set(provider.seen_keys)
    assert "failed" in log
    for where, haystack in (
        ("an answer", browser.seen),
        ("the admin", admin.seen),
        ("a sign-in with it", stranger.seen),
        ("the log", log.encode()),
        ("the metrics", metrics),
        ("the cache", cached()),
        ("the sessions", sessions()),
        ("the archive", archive := archived(alice)),
        *((str(file), file.read_bytes()) for file in temporary.rglob("*") if file.is_file()),
    ):
        assert found(haystack) == [], where
    assert MARKER.encode() in browser.seen
    assert MARKER.encode() in archive
    assert b"api-keys" in metrics
    assert in_the_data_directory(MARKER)
    assert not any(in_the_data_directory(secret) for secret in (CANARY, *OTHERS))
    with tenant(alice.pk):
        assert vault.open_key(ApiKey.objects.get(key_name=MARKER)).secret.reveal() == CANARY


@pytest.mark.parametrize("debug", ["false", "true"])
def test_a_token_of_the_api_is_found_nowhere(alice: User, bob: User, tmp_path: Path, debug: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with serve(DEBUG=debug, TMPDIR=str(temporary), RATE_LIMIT_FAILED_TOKENS="3/m") as running:
        browser, admin = Browser(running, signed_in(alice)), Browser(running, administering(bob))
        assert browser.post_form("/accounts/reauthenticate/", password=PASSWORD).status_code == 302
        made = browser.post_form("/developers/tokens/new/", name=MARKER, days="30")
        [token] = TOKEN.findall(made.text)
        # The one answer that shows it.
        browser.seen = b""
        show(browser, token)
        for url in ("/developers/", "/security/activity/", "/api/profile", "/privacy/"):
            assert browser.call("GET", url).status_code == 200
        for url in (
            "/admin/accounts/apitoken/",
            f"/admin/accounts/apitoken/?q={token[-4:]}",
            "/admin/accounts/auditevent/",
        ):
            assert admin.call("GET", url).status_code == 200
        metrics = httpx.get(f"{running.url}/metrics").content
        log = running.log

    assert "failed" in log
    for where, haystack in (
        ("an answer", browser.seen),
        ("the admin", admin.seen),
        ("the log", log.encode()),
        ("the metrics", metrics),
        ("the cache", cached()),
        ("the sessions", sessions()),
        ("the archive", archive := archived(alice)),
        *((str(file), file.read_bytes()) for file in temporary.rglob("*") if file.is_file()),
    ):
        assert [writing for writing in writings(token) if writing in haystack] == [], where
    assert MARKER.encode() in browser.seen
    assert MARKER.encode() in archive
    assert in_the_data_directory(MARKER)
    assert not in_the_data_directory(token)


def show(browser: Browser, token: str) -> None:
    """Show the token as one does, and wherever one should not."""
    bearer = {"Authorization": f"Bearer {token}"}
    assert browser.call("GET", "/api/profile", headers=bearer).json()["data"]["user"]["name"] == "Alice"
    assert browser.call("PUT", "/api/profile", json={"bio": 1}, headers=bearer).status_code == 400
    with nothing_can_be_stored():
        assert browser.call("POST", KEYS_URL, json=body(OTHERS[0]), headers=bearer).status_code == 500
    for wrong in (f"{token}x", token[:-1], f"{token} {token}", f"{token},"):
        refused = browser.call("GET", "/api/profile", headers={"Authorization": f"Bearer {wrong}"})
        assert refused.status_code in (401, 429)
    for scheme in ("Token", "Basic", "bearer", ""):
        browser.call("GET", "/api/chats", headers={"Authorization": f"{scheme} {token}".strip()})
    browser.call("GET", f"/api/chats/{token}", headers=bearer)
    # The search field shows what one typed, and so does a page that is not there, to developers.
    assert browser.http.get(f"/{token}/").status_code == 404
    assert browser.http.get(f"/chats/?token={token}&q={token}").status_code == 200
    broken = f'{{"bio": "{token}"'
    assert browser.call("PUT", "/api/profile", content=broken, headers=bearer | JSON).status_code == 400
    assert browser.call("GET", "/api/profile", headers={"Cookie": f"token={token}"}).status_code == 401


def body(secret: str, **more: str) -> dict[str, str]:
    return {"provider": "openai", "apiKey": secret, **more}


def add_and_fail_to_add(browser: Browser) -> str:
    """Store the canary, and send it in every way that is refused; answers the stored key's id."""
    key_id = str(browser.call("POST", KEYS_URL, json=body(CANARY, keyName=MARKER)).json()["data"]["id"])
    refused = [
        body(CANARY),
        body(CANARY + " with a space"),
        body(CANARY, baseUrl="ftp://x"),
        body(CANARY, dailyLimit="many"),
        body(CANARY) | {"provider": CANARY},
        {"apiKey": [CANARY], "provider": "openai"},
        {"apiKey": {CANARY: CANARY}, "provider": "openai"},
    ]
    for one in refused:
        assert browser.call("POST", KEYS_URL, json=one).status_code in (400, 409)
    json_type = {"Content-Type": "application/json"}
    assert browser.call("POST", KEYS_URL, content=f'{{"apiKey": "{CANARY}"', headers=json_type).status_code == 400
    assert browser.call("POST", KEYS_URL, content=CANARY, headers={"Content-Type": "text/plain"}).status_code == 415
    assert browser.call("PUT", f"{KEYS_URL}/{key_id}", json={"apiKey": CANARY, "baseUrl": "x:y"}).status_code == 400
    assert browser.call("PUT", f"{KEYS_URL}/{key_id}", json={"apiKey": CANARY}).status_code == 200
    page = browser.post_form(PAGE, provider="openai", api_key=CANARY, key_name="Other", base_url="ftp://x")
    assert page.status_code == 200
    tried = browser.post_form(PAGE, to=TRIAL, provider="openai", api_key=OTHERS[2])
    assert "OpenAI accepts this key." in tried.text
    stored = browser.post_form(PAGE, provider="openai", api_key=OTHERS[2], key_name="From the page")
    assert stored.status_code == 302
    return key_id


def hand_over(browser: Browser) -> None:
    """What a browser kept arrives whole, in part, and not at all."""
    config = {
        "apiKey": OTHERS[3],
        "providers": {
            "openai": {"apiKey": CANARY, "enabled": True, "priority": 1},
            "xai": {"apiKey": f"with a space {OTHERS[4]}", "enabled": True, "priority": 2},
            "google": {"apiKey": [OTHERS[4]], "baseUrl": OTHERS[4], "enabled": True, "priority": 3},
            "mistral": {"apiKey": OTHERS[4], "enabled": True, "priority": 4},
        },
    }
    payload = {"chats": [], "config": config, "anonymousId": "a-browser"}
    handed = browser.call("POST", "/api/migration", json=payload)
    assert (handed.status_code, handed.json()["data"]["migratedApiKeys"]) == (206, 1)
    cut = json.dumps(payload)[:-20]
    response = browser.call("POST", "/api/migration", content=cut, headers={"Content-Type": "application/json"})
    assert response.status_code == 400


def look_around(browser: Browser, admin: Browser, key_id: str) -> None:
    """Look at every page that knows of the key."""
    for url in (KEYS_URL, "/api/profile", "/keys/", f"/keys/{key_id}/", f"/keys/{key_id}/secret/"):
        assert browser.call("GET", url).status_code == 200
    for url in ("/admin/apikeys/apikey/", f"/admin/apikeys/apikey/{key_id}/change/", "/admin/accounts/auditevent/"):
        assert admin.call("GET", url).status_code == 200


@contextmanager
def nothing_can_be_stored() -> Iterator[None]:
    """The database refuses new keys: what nobody foresaw."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("REVOKE INSERT ON apikeys_apikey FROM wl_app")
        try:
            yield
        finally:
            cursor.execute("GRANT INSERT ON apikeys_apikey TO wl_app")


def cached() -> bytes:
    """What processes share: Django's cache, and what is counted. In Redis it would be the same."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT key || ' ' || value FROM wavelength_shared")
        kept = "\n".join(row for (row,) in cursor.fetchall())
    assert kept, "nothing was shared, so nothing was looked at"
    return kept.encode()


def sessions() -> bytes:
    """What stands in all sessions, which are stored compressed."""
    stored = [SessionStore().decode(session.session_data) for session in Session.objects.all()]
    assert len(stored) >= 2
    assert all("_auth_user_id" in one for one in stored)
    return repr(stored).encode()


def archived(person: User) -> bytes:
    """What stands in the archive of a person's data."""
    file = io.BytesIO()
    write_archive(file, person.pk, lambda: None)
    with zipfile.ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def found(haystack: bytes) -> list[str]:
    """The canaries in these bytes, as they are or in another writing."""
    return [secret for secret in (CANARY, *OTHERS) if any(writing in haystack for writing in writings(secret))]


def in_the_data_directory(text: str) -> bool:
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    assert row is not None
    looked_for = tuple(writings(text))
    for file in Path(row[0]).parent.rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            if any(writing in content for writing in looked_for):
                return True
    return False
