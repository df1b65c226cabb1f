"""The developers page: tokens made, shown once, listed and revoked."""

import re
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts import tokens
from accounts.archiving import write_archive
from accounts.models import ApiToken, AuditEvent, Session, User
from accounts.tokens import hash_of, make_token
from tests.conftest import PASSWORD, signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(databases=["default", "operator"])
PAGE, NEW = "/developers/", "/developers/tokens/new/"
SHOWN = re.compile(r'value="(wl_[A-Za-z0-9_-]{43})"')
FORM = {"name": "Nightly report", "days": "30"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def confirmed(alice: User) -> Client:
    """Alice's browser, in which she gave her password a moment ago."""
    client = signed_in(alice)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return client


def token_in(response: Any) -> str:
    found = SHOWN.findall(response.content.decode())
    assert len(found) == 1, response.content
    return str(found[0])


def of(person: User) -> list[ApiToken]:
    with tenant(person.pk):
        return list(ApiToken.objects.order_by("created_at", "id"))


def revocation(token: ApiToken) -> str:
    return reverse("accounts:token-revocation", args=[token.pk])


def events(person: User) -> list[AuditEvent]:
    with tenant(person.pk):
        return list(AuditEvent.objects.filter(kind__startswith="token.").order_by("at", "id"))


def test_it_works(confirmed: Client, alice: User, anonymous: Client) -> None:
    response = confirmed.post(NEW, FORM | {"read_only": "on"})
    token = token_in(response)

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    [made] = of(alice)
    assert (made.name, made.hint, made.read_only) == ("Nightly report", token[-4:], True)
    assert bytes(made.token_hash).hex() == hash_of(token)
    assert made.expires_at is not None
    assert abs(made.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert anonymous.get("/api/profile", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    page = confirmed.get(PAGE).content.decode()
    assert all(text in page for text in ("Nightly report", token[-4:], "Read only", "curl", "/api/docs"))
    assert "used" in page
    # Nowhere but in that one answer.
    assert token not in page
    assert token not in confirmed.get(NEW).content.decode()
    assert token[3:] not in str(list(Session.objects.values_list("session_data", flat=True)))
    assert token[3:] not in str([(event.kind, event.details) for event in events(alice)])


@pytest.mark.parametrize(("days", "ends_in"), [("30", 30), ("90", 90), ("365", 365), ("0", None)])
def test_it_ends_when_it_was_said_to(confirmed: Client, alice: User, days: str, ends_in: int | None) -> None:
    confirmed.post(NEW, FORM | {"days": days})
    [made] = of(alice)
    if ends_in is None:
        assert made.expires_at is None
    else:
        assert made.expires_at is not None
        assert round((made.expires_at - timezone.now()) / timedelta(days=1)) == ends_in


def test_making_one_asks_once_more_who_one_is(as_alice: Client, alice: User) -> None:
    for response in (as_alice.get(NEW), as_alice.post(NEW, FORM)):
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/reauthenticate/?next=")
    assert of(alice) == []
    # What was sent is done once it is known, and answers with the token.
    response = as_alice.post("/accounts/reauthenticate/", {"password": PASSWORD}, follow=True)
    assert len(of(alice)) == len(SHOWN.findall(response.content.decode()))


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "x" * 81}, {"name": "a\0b"}, {"days": "31"}, {"days": ""}, {"days": "-1"}]
)
def test_a_form_that_cannot_be_makes_nothing(confirmed: Client, alice: User, wrong: dict[str, str]) -> None:
    response = confirmed.post(NEW, FORM | wrong)
    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert not SHOWN.search(response.content.decode())
    assert (of(alice), events(alice)) == ([], [])


def test_there_is_an_end_to_how_many(confirmed: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST", 2)
    for _ in range(2):
        token_in(confirmed.post(NEW, FORM))
    response = confirmed.post(NEW, FORM)
    assert "You have as many tokens as one can have." in response.content.decode()
    assert len(of(alice)) == 2
    # One that has ended is none of them.
    with tenant(alice.pk):
        ApiToken.objects.filter(pk=of(alice)[0].pk).update(expires_at=timezone.now() - timedelta(hours=1))
    token_in(confirmed.post(NEW, FORM))


def test_a_letter_says_that_one_was_made(
    confirmed: Client, alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        token = token_in(confirmed.post(NEW, FORM | {"name": "Tom & <b>Jerry</b>"}))
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == ([alice.email], "A token for your account was made")
    assert "Tom & <b>Jerry</b>" in letter.body
    assert f"ending in {token[-4:]}" in letter.body
    assert f"http://testserver{PAGE}" in letter.body
    assert token[3:-4] not in letter.body


def test_revoking_asks_and_needs_no_password(as_alice: Client, alice: User, anonymous: Client) -> None:
    token = make_token(user_id=alice.pk, name="Old", days=None, read_only=False)
    shown = {"Authorization": f"Bearer {token}"}
    assert anonymous.get("/api/profile", headers=shown).status_code == 200
    [made] = of(alice)
    asked = as_alice.get(revocation(made))
    assert b"<h1>Revoke the token?</h1>" in asked.content
    in_dialog = as_alice.get(revocation(made), headers=HTMX).content
    assert b"Revoke the token?" in in_dialog
    assert b"<html" not in in_dialog
    assert len(of(alice)) == 1

    response = as_alice.post(revocation(made))

    assert (response.status_code, response["Location"]) == (302, PAGE)
    assert of(alice) == []
    assert anonymous.get("/api/profile", headers=shown).status_code == 401
    assert "The token is revoked." in as_alice.get(PAGE).content.decode()
    assert as_alice.post(revocation(made)).status_code == 404


def test_revoking_in_the_dialog_shows_the_page_anew(as_alice: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="Old", days=None, read_only=False)
    response = as_alice.post(revocation(of(alice)[0]), headers=HTMX)
    assert response["HX-Redirect"] == PAGE
    assert of(alice) == []


def test_anothers_is_nobodys(as_bob: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="Private", days=None, read_only=False)
    [made] = of(alice)
    for response in (as_bob.get(revocation(made)), as_bob.post(revocation(made))):
        assert response.status_code == 404
    assert b"Private" not in as_bob.get(PAGE).content
    assert of(alice) == [made]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_do_nothing(method: str, confirmed: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="Old", days=None, read_only=False)
    for address in (PAGE, NEW, revocation(of(alice)[0])):
        assert getattr(confirmed, method)(address).status_code == 405
    assert confirmed.post(PAGE).status_code == 405
    assert len(of(alice)) == 1


def test_signed_out_nothing_is_shown(anonymous: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="Old", days=None, read_only=False)
    for address in (PAGE, NEW, revocation(of(alice)[0])):
        for response in (anonymous.get(address), anonymous.post(address, FORM)):
            assert response.status_code in (302, 405)
    assert len(of(alice)) == 1


def test_the_trail_tells_name_and_hint(confirmed: Client, alice: User) -> None:
    token = token_in(confirmed.post(NEW, FORM))
    confirmed.post(revocation(of(alice)[0]))
    made, revoked = events(alice)
    assert (made.kind, revoked.kind) == ("token.made", "token.revoked")
    for event in (made, revoked):
        assert (event.details["name"], event.details["hint"]) == ("Nightly report", token[-4:])
        assert event.address == "127.0.0.1"
    page = confirmed.get(reverse("accounts:activity-list")).content.decode()
    assert f"Nightly report · …{token[-4:]}" in page


def test_one_that_has_ended_is_shown_as_such(as_alice: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="Old", days=30, read_only=False)
    assert "Ended" not in as_alice.get(PAGE).content.decode()
    with tenant(alice.pk):
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    page = as_alice.get(PAGE).content.decode()
    assert "Ended" in page
    assert "Remove" in page


def test_a_name_is_text(as_alice: Client, alice: User) -> None:
    make_token(user_id=alice.pk, name="<img src=x onerror=alert(1)>", days=30, read_only=False)
    for address in (PAGE, revocation(of(alice)[0])):
        assert b"<img src=x" not in as_alice.get(address).content


def test_however_many_there_are_it_takes_as_many_questions(as_alice: Client, alice: User) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_alice.get(PAGE).status_code == 200
        return len(queries)

    make_token(user_id=alice.pk, name="One", days=30, read_only=False)
    asked()
    before = asked()
    for number in range(9):
        make_token(user_id=alice.pk, name=f"More {number}", days=None, read_only=True)
    assert asked() == before
    with CaptureQueriesContext(connection) as queries:
        as_alice.get(PAGE)
    assert len([query for query in queries if "accounts_apitoken" in query["sql"]]) == 1


def test_an_archive_lists_them_without_what_opens(alice: User, tmp_path: Any) -> None:
    token = make_token(user_id=alice.pk, name="In the archive", days=30, read_only=False)
    file = tmp_path / "archive.zip"
    with file.open("wb") as stream:
        write_archive(stream, alice.pk, lambda: None)
    listed = ZipFile(file).read("data/accounts_apitoken.jsonl").decode()
    assert "In the archive" in listed
    assert hash_of(token) not in listed
    assert "token_hash" not in listed
