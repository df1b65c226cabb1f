"""Sign-up, sign-in, confirmation, change of e-mail, passwords, sign-out: as a browser goes through them."""

import re

import httpx
import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import AuditEvent, DataKey, Profile, Session, User
from accounts.people import create_person
from tests.conftest import PASSWORD, signed_in
from tests.processes import serve
from tests.servers.smtp import MailServer
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another horse, another battery"


def who(client: Client) -> str | None:
    response = client.get("/api/profile")
    return response.json()["data"]["user"]["email"] if response.status_code == 200 else None


def sign_up(client: Client, email: str = "dora@example.com") -> int:
    return client.post("/accounts/signup/", {"email": email, "password1": PASSWORD}).status_code


def sign_in(client: Client, email: str, password: str = PASSWORD) -> str:
    return client.post("/accounts/login/", {"login": email, "password": password}, follow=True).content.decode()


def link_in(letter: mail.EmailMessage) -> str:
    found = re.search(r"http://testserver(/\S+)", str(letter.body))
    assert found, letter.body
    return found[1]


def kinds(user: User) -> list[str]:
    with tenant(user.pk):
        return list(AuditEvent.objects.order_by("at", "id").values_list("kind", flat=True))


def test_signing_up_confirming_and_being_signed_in(anonymous: Client) -> None:
    assert sign_up(anonymous, "Dora@Example.com") == 302
    assert who(anonymous) is None
    assert mail.outbox[0].to == ["dora@example.com"]
    link = link_in(mail.outbox[0])
    assert b"<form" in anonymous.get(link).content
    assert not EmailAddress.objects.get().verified, "mail programs follow links"
    anonymous.post(link)
    assert who(anonymous) == "dora@example.com"
    dora = User.objects.get()
    assert kinds(dora) == ["account.created", "session.started"]
    with tenant(dora.pk):
        assert (Profile.objects.count(), DataKey.objects.count()) == (1, 1)


def test_before_confirming_nobody_gets_in(anonymous: Client) -> None:
    sign_up(anonymous)
    sign_in(anonymous, "dora@example.com")
    assert who(anonymous) is None


def test_signing_in_whatever_the_case(alice: User, anonymous: Client) -> None:
    sign_in(anonymous, "ALICE@Example.COM")
    assert who(anonymous) == "alice@example.com"
    with tenant(alice.pk):
        assert AuditEvent.objects.get(kind="session.started").details == {"way": "password"}


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_wrong_password_and_an_unknown_address_are_told_alike(alice: User, anonymous: Client, email: str) -> None:
    page = sign_in(anonymous, email, "wrong password")
    assert "The e-mail address or the password is wrong." in page
    assert who(anonymous) is None
    assert kinds(alice) == ["account.created", *["session.failed"] * (email == alice.email)]


def test_guessing_is_limited(alice: User, anonymous: Client) -> None:
    for _ in range(10):
        page = sign_in(anonymous, "alice@example.com", "wrong password")
    assert "Too many failed attempts" in page
    assert "Too many failed attempts" in sign_in(anonymous, "alice@example.com")


def test_signing_up_with_a_taken_address_tells_its_owner_only(alice: User, anonymous: Client) -> None:
    fresh, taken = Client(), Client()
    pages = [
        client.post("/accounts/signup/", {"email": email, "password1": PASSWORD}, follow=True)
        for client, email in ((fresh, "dora@example.com"), (taken, "Alice@example.com"))
    ]
    assert pages[0].redirect_chain == pages[1].redirect_chain
    assert "already" in str(mail.outbox[1].body)
    assert mail.outbox[1].to == ["alice@example.com"]
    assert User.objects.count() == 2


def test_two_signing_up_at_once_with_one_address(anonymous: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(user: User, *, way: str) -> User:
        other = User(email=user.email)
        other.set_unusable_password()
        create_person(other, way=way)
        return create_person(user, way=way)

    monkeypatch.setattr("accounts.adapter.create_person", overtaken)
    response = anonymous.post("/accounts/signup/", {"email": "dora@example.com", "password1": PASSWORD})
    assert response.status_code == 302
    assert response["Location"] == "/accounts/confirm-email/"


def test_a_short_password_is_refused(anonymous: Client) -> None:
    response = anonymous.post("/accounts/signup/", {"email": "dora@example.com", "password1": "short"})
    assert b"at least 10" in response.content
    assert not User.objects.exists()


def test_signing_out_ends_the_session(as_alice: Client) -> None:
    as_alice.post("/accounts/logout/")
    assert who(as_alice) is None
    assert not Session.objects.filter(user__isnull=False).exists()


def test_a_changed_password_ends_the_other_sessions(as_alice: Client, alice: User) -> None:
    elsewhere = signed_in(alice)
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert as_alice.post("/accounts/password/change/", form).status_code == 302
    assert (who(as_alice), who(elsewhere)) == ("alice@example.com", None)
    assert kinds(alice)[-1] == "password.changed"
    anonymous = Client()
    sign_in(anonymous, "alice@example.com", NEW_PASSWORD)
    assert who(anonymous) == "alice@example.com"


def test_a_forgotten_password_is_reset_by_mail(as_alice: Client, alice: User, anonymous: Client) -> None:
    anonymous.post("/accounts/password/reset/", {"email": "Alice@example.com"})
    page = anonymous.get(link_in(mail.outbox[0]), follow=True)
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    anonymous.post(page.redirect_chain[-1][0], form)
    sign_in(anonymous, "alice@example.com", NEW_PASSWORD)
    assert who(anonymous) == "alice@example.com"
    assert who(as_alice) is None, "whoever knew the old password is out"


def test_a_reset_link_works_once(alice: User, anonymous: Client) -> None:
    anonymous.post("/accounts/password/reset/", {"email": "alice@example.com"})
    link = link_in(mail.outbox[0])
    page = anonymous.get(link, follow=True)
    anonymous.post(page.redirect_chain[-1][0], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert b"password1" not in Client().get(link, follow=True).content


def test_an_unknown_address_is_not_told_apart_when_resetting(alice: User) -> None:
    chains = [
        Client().post("/accounts/password/reset/", {"email": email}, follow=True).redirect_chain
        for email in ("alice@example.com", "nobody@example.com")
    ]
    assert chains[0] == chains[1]


def test_an_address_changes_once_the_new_one_is_confirmed(as_alice: Client, alice: User) -> None:
    as_alice.post("/accounts/reauthenticate/", {"password": PASSWORD})
    as_alice.post("/accounts/email/", {"email": "New@Example.com", "action_add": ""})
    assert who(as_alice) == "alice@example.com"
    letters = [letter for letter in mail.outbox if letter.to == ["new@example.com"]]
    as_alice.post(link_in(letters[0]))
    assert who(as_alice) == "new@example.com"
    assert list(EmailAddress.objects.filter(user=alice).values_list("email", "verified", "primary")) == [
        ("new@example.com", True, True)
    ]
    with tenant(alice.pk):
        changed = AuditEvent.objects.get(kind="email.changed")
    assert changed.details == {"before": "alice@example.com", "after": "new@example.com"}


def test_an_address_of_somebody_else_is_not_taken(as_alice: Client, bob: User) -> None:
    as_alice.post("/accounts/reauthenticate/", {"password": PASSWORD})
    as_alice.post("/accounts/email/", {"email": "bob@example.com", "action_add": ""})
    # Alice is told nothing; even if Bob confirms what was mailed to him, his address stays his.
    assert [letter.to for letter in mail.outbox] == [["bob@example.com"]]
    signed_in(bob).post(link_in(mail.outbox[0]))
    assert EmailAddress.objects.get(email="bob@example.com", verified=True).user == bob
    assert who(as_alice) == "alice@example.com"


def test_a_link_of_one_person_opened_by_another(as_bob: Client, anonymous: Client) -> None:
    sign_up(anonymous)
    as_bob.post(link_in(mail.outbox[0]))
    assert EmailAddress.objects.get(email="dora@example.com").verified
    assert who(as_bob) != "dora@example.com"


def test_an_address_is_unique_without_regard_to_case(alice: User) -> None:
    for email in ("alice@example.com", "ALICE@EXAMPLE.COM"):
        with pytest.raises(IntegrityError, match="user_email_unique"), transaction.atomic():
            create_person(User(email=email), way="signup")


def _browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, follow_redirects=True, timeout=30)


def _token(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found
    return found[1]


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_letters_go_out_by_smtp() -> None:
    with MailServer() as mails, serve(EMAIL_URL=mails.url) as server, _browser(server.url) as browser:
        form = {"email": "dora@example.com", "password1": PASSWORD}
        token = _token(browser.get("/accounts/signup/"))
        assert browser.post("/accounts/signup/", data=form | {"csrfmiddlewaretoken": token}).status_code == 200
        link = re.search(rf"{server.url}/accounts/confirm-email/\S+", mails.letter_to("dora@example.com").text)
        assert link
        browser.post(link[0], data={"csrfmiddlewaretoken": _token(browser.get(link[0]))})
        assert browser.get("/api/profile").json()["data"]["user"]["email"] == "dora@example.com"
