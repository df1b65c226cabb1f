"""Who signs in with a provider alone confirms with a code by mail."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.mailed_codes import TRIES
from accounts.models import AuditEvent, DataArchive, Session, User
from tests.accounts.test_security_confirmation import SECRET
from tests.conftest import signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
PAGE = "/accounts/reauthenticate/code/"
NEW = "another horse battery staple"


@pytest.fixture
def carla(alice: User) -> User:
    """Without a password, as somebody is who came from a provider."""
    alice.set_unusable_password()
    alice.save(update_fields=["password"])
    return alice


@pytest.fixture
def client(carla: User) -> Client:
    return signed_in(carla)


def code_for(client: Client, address: str = PAGE) -> str:
    """A code, mailed now."""
    assert client.post(address, {"mail": "yes"}).status_code == 302
    found = re.search(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found[0]


def is_confirmed(client: Client) -> bool:
    return client.get("/privacy/erasure/").status_code == 200


def failures(person: User) -> list[Any]:
    with tenant(person.pk):
        return list(AuditEvent.objects.filter(kind="confirmation.failed").values_list("details", flat=True))


@pytest.mark.parametrize(
    "address",
    [
        "/privacy/erasure/", "/privacy/deactivation/", "/developers/tokens/new/", "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/", "/accounts/3rdparty/", "/accounts/password/set/",
    ],
)  # fmt: skip
def test_it_works(address: str, client: Client, carla: User) -> None:
    asked = client.get(address)
    assert asked.status_code == 302
    assert asked["Location"].startswith(PAGE + "?next=%2F")
    shown = client.get(asked["Location"]).content.decode()
    assert "alice@example.com" in shown
    assert 'name="code"' not in shown
    assert mail.outbox == []

    code = code_for(client, asked["Location"])
    assert [letter.to for letter in mail.outbox] == [["alice@example.com"]]
    assert 'name="code"' in client.get(asked["Location"]).content.decode()
    confirmed = client.post(PAGE, {"code": code.replace("-", "").lower(), "next": address})
    assert confirmed["Location"] == address
    assert client.get(address).status_code == 200
    assert failures(carla) == []


def test_what_was_posted_is_done_afterwards(client: Client, carla: User) -> None:
    asked = client.post("/security/browsers/others/end/")
    elsewhere = signed_in(carla)
    code = code_for(client, asked["Location"])
    client.post(PAGE, {"code": code, "next": "/security/browsers/others/end/"})

    assert elsewhere.get("/api/profile").status_code == 401
    assert client.get("/api/profile").status_code == 200


def test_an_archive_asked_for_is_made_afterwards(client: Client, carla: User) -> None:
    asked = client.post("/privacy/archive/")
    client.post(PAGE, {"code": code_for(client, asked["Location"]), "next": "/privacy/archive/"})

    with tenant(carla.pk):
        assert DataArchive.objects.count() == 1


def test_the_api_asks_too(client: Client) -> None:
    refused = client.delete("/api/profile")
    assert refused.json()["code"] == "reauthentication_required"
    page = client.get(refused.json()["url"].removeprefix("http://testserver"))
    assert page["Location"] == f"{PAGE}?next=%2Fprivacy%2Fdeactivation%2F"

    client.post(PAGE, {"code": code_for(client)})
    assert client.delete("/api/profile").status_code == 200


@pytest.mark.parametrize(
    ("has", "other"),
    [
        ("password", "/accounts/reauthenticate/"),
        ("app", "/accounts/2fa/reauthenticate/"),
        ("passkey", "/accounts/2fa/webauthn/reauthenticate/"),
    ],
)
def test_who_has_something_else_is_not_offered_the_mail(has: str, other: str, alice: User) -> None:
    if has != "password":
        alice.set_unusable_password()
        alice.save(update_fields=["password"])
    if has == "app":
        TOTP.activate(alice, SECRET)
    elif has == "passkey":
        data = {"name": "Phone", "credential": {"clientExtensionResults": {}}}
        Authenticator.objects.create(user=alice, type=Authenticator.Type.WEBAUTHN, data=data)
    client = signed_in(alice)

    assert client.get("/privacy/erasure/")["Location"].startswith(other)
    assert client.get(PAGE)["Location"] == other
    assert client.post(PAGE, {"mail": "yes"})["Location"] == other
    assert mail.outbox == []


def test_without_anybody_signed_in(carla: User) -> None:
    assert Client().post(PAGE, {"mail": "yes"})["Location"] == f"/accounts/login/?next={PAGE}"
    assert mail.outbox == []


def test_a_wrong_code_stands_in_the_trail(client: Client, carla: User) -> None:
    code = code_for(client)
    said = client.post(PAGE, {"code": "BBBB-BBBB", "next": "/privacy/erasure/"})
    assert "not the code" in said.content.decode()
    assert 'value="/privacy/erasure/"' in said.content.decode()
    assert failures(carla) == [{"way": "code"}]
    assert not is_confirmed(client)

    client.post(PAGE, {"code": code})
    assert is_confirmed(client)


def test_after_some_wrong_ones_the_right_one_works_no_more(client: Client) -> None:
    code = code_for(client)
    for _ in range(TRIES):
        client.post(PAGE, {"code": "BBBB-BBBB"})
    assert "works no more" in client.post(PAGE, {"code": code}).content.decode()
    assert not is_confirmed(client)


def test_it_works_once(client: Client) -> None:
    code = code_for(client)
    client.post(PAGE, {"code": code})
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert not is_confirmed(client)
        assert "works no more" in client.post(PAGE, {"code": code}).content.decode()
        assert not is_confirmed(client)


def test_it_ends(client: Client) -> None:
    code = code_for(client)
    with time_machine.travel(timezone.now() + timedelta(minutes=14)):
        assert "not the code" in client.post(PAGE, {"code": "BBBB-BBBB"}).content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert "works no more" in client.post(PAGE, {"code": code}).content.decode()
        assert not is_confirmed(client)


def test_a_new_one_takes_its_place(client: Client) -> None:
    first, second = code_for(client), code_for(client)
    assert "not the code" in client.post(PAGE, {"code": first}).content.decode()
    client.post(PAGE, {"code": second})
    assert is_confirmed(client)


def test_it_is_of_one_browser_and_one_person(client: Client, carla: User, bob: User) -> None:
    bob.set_unusable_password()
    bob.save(update_fields=["password"])
    code = code_for(client)
    for other in (signed_in(carla), signed_in(bob)):
        assert "works no more" in other.post(PAGE, {"code": code}).content.decode()
        code_for(other)
        assert "not the code" in other.post(PAGE, {"code": code}).content.decode()
        assert not is_confirmed(other)


def test_it_does_not_outlive_a_change_of_address(client: Client, carla: User) -> None:
    code = code_for(client)
    User.objects.filter(pk=carla.pk).update(email="new@example.com")
    EmailAddress.objects.filter(user=carla).update(email="new@example.com")
    assert "not the code" in client.post(PAGE, {"code": code}).content.decode()
    assert not is_confirmed(client)


def test_nobody_is_flooded_with_mail(carla: User) -> None:
    for _ in range(8):
        signed_in(carla).post(PAGE, {"mail": "yes"})
    assert len(mail.outbox) == 6
    said = signed_in(carla).post(PAGE, {"mail": "yes"}, follow=True).content.decode()
    assert "Wait an hour" in said


def test_where_no_mail_goes_out_it_is_said_and_nobody_passes(client: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    said = client.post(PAGE, {"mail": "yes"}, follow=True).content.decode()
    assert "could not be sent" in said
    assert not is_confirmed(client)


def test_the_code_stands_in_no_session(client: Client) -> None:
    code = code_for(client)
    stored = str(list(Session.objects.values_list("session_data", flat=True)))
    assert "accounts_mailed_code" in stored
    assert code not in stored
    assert code.replace("-", "").lower() not in stored


def test_a_first_password_then_confirms(client: Client, carla: User) -> None:
    client.post(PAGE, {"code": code_for(client)})
    client.post("/accounts/password/set/", {"password1": NEW, "password2": NEW})
    carla.refresh_from_db()
    assert carla.check_password(NEW)
    assert client.get(PAGE)["Location"] == "/accounts/reauthenticate/"
