"""Calls of the JSON API with a token: whose they are, what they may, and which are refused."""

import re
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import bearer
from accounts.deactivation import deactivate, reactivate, reactivation_token
from accounts.erasure import erase, schedule
from accounts.models import AnonymousSession, ApiToken, Profile, Session, User, Way
from accounts.tokens import hash_of, make_token, revoke_token
from chats.models import Chat
from tests.conftest import signed_in
from tests.rows import stored
from wavelength.api import api
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
HOUR = 3600
USAGE = {"provider": "openai", "model": "gpt-4o"}
REFUSED = {
    "success": False,
    "code": "invalid_token",
    "error": "This token does not work: it is unknown, has ended or was revoked. Make another one under Developers.",
}
# Those that do not begin by asking who it is.
HOT = [("GET", "/api/profile"), ("GET", "/api/profile/usage"), ("POST", "/api/profile/usage")]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    bearer.forget()
    yield
    bearer.forget()


def token_of(person: User, *, read_only: bool = False, days: int | None = 30) -> str:
    return make_token(user_id=person.pk, name="script", days=days, read_only=read_only)


def call(
    token: str,
    method: str = "GET",
    path: str = "/api/profile",
    body: Any = None,
    *,
    client: Client | None = None,
    **more: Any,
) -> Any:
    asked = {"Authorization": f"Bearer {token}", **more}
    sender = getattr(client or Client(), method.lower())
    return (
        sender(path, body, content_type="application/json", headers=asked)
        if body is not None
        else sender(path, headers=asked)
    )


def is_refused(answer: Any) -> bool:
    told = (answer.status_code, answer.json(), answer["WWW-Authenticate"])
    return told == (401, REFUSED, 'Bearer error="invalid_token"')


def profile_of(person: User) -> Profile:
    with tenant(person.pk):
        return Profile.objects.get()


def test_it_works(alice: User) -> None:
    token = token_of(alice)
    assert re.fullmatch(r"wl_[A-Za-z0-9_-]{43}", token)
    assert call(token).json()["data"]["user"]["email"] == alice.email
    assert call(token, "PUT", body={"bio": "by a script"}).json()["data"]["bio"] == "by a script"
    assert profile_of(alice).bio == "by a script"
    assert call(token, "POST", "/api/profile/usage", USAGE).json()["data"]["userId"] == str(alice.pk)
    assert call(token, path="/api/profile/usage").json()["data"]["totals"]["requests"] == 1
    assert call(token, path="/api/usage/check").json()["data"]["userType"] == "authenticated"
    assert call(token, "POST", "/api/usage/check", USAGE).json()["data"]["userType"] == "authenticated"


def test_the_scheme_is_written_as_one_likes(alice: User) -> None:
    token = token_of(alice)
    for shown in (f"bearer {token}", f"BEARER {token}", f"Bearer  {token} "):
        assert Client().get("/api/profile", headers={"Authorization": shown}).status_code == 200


def test_it_finds_what_is_of_its_person_alone(alice: User, bob: User) -> None:
    chat = stored(Chat, alice)
    theirs, nobodys = (call(token_of(bob), path=f"/api/chats/{name}") for name in (chat.shown_id, "none"))
    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    assert theirs.status_code == 404
    assert call(token_of(alice), path=f"/api/chats/{chat.shown_id}").status_code == 200


def test_what_was_and_what_never_was_are_told_alike(alice: User, settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"failed_tokens": None}
    good, ended, revoked = token_of(alice), token_of(alice), token_of(alice)
    assert call(ended).status_code == call(revoked).status_code == 200
    an_hour_ago = timezone.now() - timedelta(hours=1)
    with tenant(alice.pk):
        ApiToken.objects.filter(token_hash=bytes.fromhex(hash_of(ended))).update(expires_at=an_hour_ago)
        of_revoked = ApiToken.objects.get(token_hash=bytes.fromhex(hash_of(revoked)))
    revoke_token(user_id=alice.pk, token_id=of_revoked.pk)
    swapped = good[:-1] + ("A" if good[-1] != "A" else "E")
    bad = (ended, revoked, swapped, f"wl_{'A' * 43}", good[3:], good.upper(), "x", "", "wl_", "ü", hash_of(good))
    # Before and after the process has forgotten that two of them worked.
    for _ in range(2):
        for token in bad:
            for method, path in (*HOT, ("GET", "/api/chats"), ("PUT", "/api/profile"), ("POST", "/api/usage/check")):
                body = USAGE if method == "POST" else {} if method == "PUT" else None
                assert is_refused(call(token, method, path, body)), (token, method, path)
        bearer.forget()
    assert call(good).status_code == 200


@pytest.mark.parametrize(("method", "path"), [*HOT, ("GET", "/api/chats"), ("GET", "/api/usage/check")])
def test_it_never_falls_back_to_the_cookie(method: str, path: str, as_alice: Client, alice: User, bob: User) -> None:
    body = USAGE if method == "POST" else None
    assert is_refused(call("wl_" + "A" * 43, method, path, body, client=as_alice))
    token = token_of(bob)
    assert call(token, client=as_alice).json()["data"]["user"]["email"] == bob.email
    # Nor where the process still remembers whose it was.
    with tenant(bob.pk):
        ApiToken.objects.all().delete()
    assert is_refused(call(token, method, path, body, client=as_alice))


def test_cookies_are_neither_read_nor_set(as_alice: Client, bob: User) -> None:
    sessions = set(Session.objects.values_list("session_key", flat=True))
    for method, path in (*HOT, ("GET", "/api/chats"), ("GET", "/api/usage/check"), ("GET", "/api/migration/status")):
        answer = call(token_of(bob), method, path, USAGE if method == "POST" else None, client=as_alice)
        assert (answer.status_code, answer.cookies) == (200, {}), path
    assert set(Session.objects.values_list("session_key", flat=True)) == sessions
    assert not AnonymousSession.objects.exists()


def test_a_hash_opens_nothing(alice: User, anonymous: Client) -> None:
    shown = hash_of(token_of(alice))
    anonymous.cookies[configured.SESSION_COOKIE_NAME] = shown
    for method, path in HOT:
        assert call_with_cookie(anonymous, method, path).status_code == 401
    assert is_refused(call(shown))


def call_with_cookie(client: Client, method: str, path: str) -> Any:
    if method == "POST":
        return client.post(path, USAGE, content_type="application/json")
    return client.get(path)


def test_another_site_may_send_what_no_browser_sends_by_itself(alice: User) -> None:
    foreign: dict[str, Any] = {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
    assert call(token_of(alice), "PUT", body={"bio": "changed"}, **foreign).status_code == 200


def test_somebody_who_is_switched_off_has_none(alice: User) -> None:
    token = token_of(alice)
    assert call(token).status_code == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    for method, path in (*HOT, ("GET", "/api/chats")):
        assert is_refused(call(token, method, path, USAGE if method == "POST" else None))


def test_deactivating_ends_them_and_coming_back_does_not_bring_them_back(alice: User) -> None:
    token = token_of(alice, days=None)
    gone = deactivate(user_id=alice.pk)
    assert is_refused(call(token))
    reactivate(reactivation_token(gone))
    assert is_refused(call(token))
    with tenant(alice.pk):
        assert not ApiToken.objects.exists()


def test_a_changed_password_does_not_end_them(alice: User) -> None:
    token = token_of(alice)
    alice.set_password("quite another long sentence")
    alice.save(update_fields=["password"])
    assert call(token).status_code == 200


def operations() -> Iterator[tuple[str, str]]:
    for path, methods in api.get_openapi_schema(path_prefix="/api")["paths"].items():
        for method in methods:
            yield method.upper(), re.sub(r"\{[^}]+\}", "0198c0de-0000-7000-8000-000000000000", path)


def test_one_that_may_only_read_changes_nothing(alice: User) -> None:
    token = token_of(alice, read_only=True)
    told = {}
    for method, path in operations():
        # Also where whose it is was already remembered, and where it was not.
        for _ in range(2):
            kind = "multipart/form-data; boundary=x" if path == "/api/profile/avatar" else "application/json"
            answer = Client().generic(
                method, path, b"" if method in ("GET", "DELETE") else b"{}", content_type=kind,
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            told[method, path] = (answer.status_code, answer.headers["Content-Type"])
            if method != "GET":
                assert (answer.status_code, answer.json()["code"]) == (403, "token_read_only"), (method, path)
            else:
                assert answer.status_code in (200, 404), (method, path)
        bearer.forget()
    assert len(told) >= 30
    assert profile_of(alice).bio == ""


def test_it_cannot_shut_its_person_out(alice: User) -> None:
    answer = call(token_of(alice), "DELETE")
    assert answer.status_code == 403
    assert answer.json()["code"] == "reauthentication_required"
    alice.refresh_from_db()
    assert alice.is_active


def test_the_calls_of_next_auth_do_not_heed_it(alice: User, as_bob: Client) -> None:
    token = token_of(alice)
    assert call(token, path="/api/auth/session").json() == {}
    assert call(token, path="/api/auth/session", client=as_bob).json()["user"]["name"] == "Bob"
    assert call("x", path="/api/auth/session").json() == {}


def test_pages_do_not_heed_it(alice: User) -> None:
    assert call(token_of(alice), path="/keys/").status_code == 302


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/openapi.json"])
def test_a_bad_one_is_told_everywhere(path: str) -> None:
    assert is_refused(call("x", path=path))


def test_without_a_database_it_is_not_called_bad(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OperationalError("the connection is gone")

    token = token_of(alice)
    monkeypatch.setattr(bearer, "ask_entering", gone)
    answer = call(token, client=Client(raise_request_exception=False))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) > 0


def test_it_takes_few_questions(alice: User) -> None:
    token = token_of(alice)
    call(token)
    call(token, "POST", "/api/profile/usage", USAGE)

    def asked(*what: Any) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            call(token, *what)
        # In a test, everything stands in a savepoint.
        return len([query for query in queries if "SAVEPOINT" not in query["sql"] and "SET LOCAL" not in query["sql"]])

    assert asked("GET", "/api/profile") == 1
    assert asked("POST", "/api/profile/usage", USAGE) == 1
    assert asked("GET", "/api/migration/status") == asked_by_cookie("/api/migration/status", alice)
    bearer.forget()
    assert asked("GET", "/api/profile") == 2


def asked_by_cookie(path: str, person: User) -> int:
    browser = signed_in(person)
    browser.get(path)
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)
    return len([query for query in queries if "SAVEPOINT" not in query["sql"] and "SET LOCAL" not in query["sql"]])


def used_at(person: User) -> Any:
    with tenant(person.pk):
        return ApiToken.objects.values_list("last_used_at", flat=True).get()


def test_its_last_use_is_noted_once_a_minute(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_of(alice)
    assert used_at(alice) is None
    call("wl_" + "A" * 43)
    assert used_at(alice) is None
    call(token)
    first = used_at(alice)
    assert abs(first - timezone.now()) < timedelta(minutes=1)
    with tenant(alice.pk):
        ApiToken.objects.update(last_used_at=first - timedelta(seconds=30))
    bearer.forget()
    call(token)
    assert used_at(alice) == first - timedelta(seconds=30)
    with tenant(alice.pk):
        ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    call(token)
    assert used_at(alice) == first - timedelta(seconds=61), "remembered, so not asked"
    later = monotonic() + bearer.REMEMBERED
    monkeypatch.setattr(bearer, "monotonic", lambda: later)
    call(token)
    assert used_at(alice) == first


def test_a_process_does_not_remember_for_ever(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer, "MOST", 2)
    for _ in range(4):
        assert call(token_of(alice)).status_code == 200
    assert len(bearer._bearers) <= 2


def test_calls_are_counted_by_person_and_by_token(as_alice: Client, alice: User, bob: User, settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": (6, HOUR), "token": (2, HOUR)}
    one, other = token_of(alice), token_of(alice)
    assert [call(one).status_code for _ in range(3)] == [200, 200, 429]
    assert [call(other).status_code for _ in range(2)] == [200, 200]
    # The refused one counted, too: the person's limit is asked first.
    assert [as_alice.get("/api/profile").status_code for _ in range(2)] == [200, 429]
    refused = call(other)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused["Retry-After"]) > 0
    assert call(token_of(bob)).status_code == 200
    # What was used was used.
    assert call(one, "POST", "/api/profile/usage", USAGE).status_code == 200


def test_guesses_are_counted_by_address(alice: User, settings: Settings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"failed_tokens": (2, HOUR)}
    assert [call(f"wl_{letter * 43}").status_code for letter in "ABC"] == [401, 401, 429]
    assert call("x").status_code == 429
    assert call(token_of(alice)).status_code == 200


def test_an_erased_person_has_none(alice: User) -> None:
    token = token_of(alice)
    with tenant(alice.pk):
        schedule(alice.pk, way=Way.ASKED)
    assert erase(user_id=alice.pk, at_once=True)
    assert is_refused(call(token))
