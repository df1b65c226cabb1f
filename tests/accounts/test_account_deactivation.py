"""DELETE /api/profile, and the way back."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.deactivation import deactivate, reactivation_token
from accounts.models import AuditEvent, Session, User
from tests.conftest import PASSWORD, just_signed_in, signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db


def status(client: Client) -> int:
    return client.get("/api/profile").status_code


def sign_in(client: Client, email: str = "alice@example.com", password: str = PASSWORD) -> str:
    return client.post("/accounts/login/", {"login": email, "password": password}, follow=True).content.decode()


def kinds(user: User) -> list[str]:
    with tenant(user.pk):
        return list(AuditEvent.objects.order_by("at", "id").values_list("kind", flat=True))


def link_in(letter: mail.EmailMessage) -> str:
    found = re.search(r"http://testserver(/accounts/reactivate/\S+)", str(letter.body))
    assert found, letter.body
    return found[1]


@pytest.fixture
def gone(alice: User) -> User:
    return deactivate(user_id=alice.pk)


@pytest.fixture
def link(gone: User) -> str:
    return f"/accounts/reactivate/{reactivation_token(gone)}/"


@pytest.fixture
def as_alice(alice: User) -> Client:
    return just_signed_in(alice)


def test_it_ends_every_session_and_mails_the_way_back(
    as_alice: Client, alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    elsewhere = signed_in(alice)
    with django_capture_on_commit_callbacks(execute=True):
        response = as_alice.delete("/api/profile")
    assert response.status_code == 200
    assert response.json()["message"].startswith("Your account is deactivated.")
    assert (status(as_alice), status(elsewhere)) == (401, 401)
    assert not Session.objects.filter(user=alice).exists()
    assert not UserSession.objects.filter(user=alice).exists()
    assert kinds(alice)[-1] == "account.deactivated"
    assert [letter.to for letter in mail.outbox] == [["alice@example.com"]]
    assert "30 days" in str(mail.outbox[0].body)
    assert Client().get(link_in(mail.outbox[0])).status_code == 200


def test_who_signed_in_long_ago_confirms_first(alice: User, anonymous: Client) -> None:
    sign_in(anonymous)
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        refused = anonymous.delete("/api/profile")
        assert refused.status_code == 403
        assert refused.json() == {
            "success": False,
            "error": "Confirm that it is you on the privacy page of your account, then try again.",
            "code": "reauthentication_required",
            "url": "http://testserver/accounts/reauthenticate/?next=%2Fprivacy%2Fdeactivation%2F",
        }
        alice.refresh_from_db()
        assert alice.is_active
        address = refused.json()["url"].removeprefix("http://testserver")
        assert anonymous.post(address, {"password": "wrong"}).status_code == 200
        assert anonymous.delete("/api/profile").status_code == 403

        assert anonymous.post(address, {"password": PASSWORD})["Location"] == "/privacy/deactivation/"
        assert anonymous.delete("/api/profile").status_code == 200
    alice.refresh_from_db()
    assert not alice.is_active


def test_a_confirmation_ends_too(alice: User, anonymous: Client) -> None:
    sign_in(anonymous)
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        anonymous.post("/accounts/reauthenticate/", {"password": PASSWORD})
    with time_machine.travel(timezone.now() + timedelta(minutes=12)):
        assert anonymous.delete("/api/profile").status_code == 403


def test_another_browsers_confirmation_does_not_count(alice: User, anonymous: Client) -> None:
    sign_in(anonymous)
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        sign_in(Client())
        assert anonymous.delete("/api/profile").status_code == 403


def test_nobody_else_is_touched(as_alice: Client, as_bob: Client, bob: User) -> None:
    as_alice.delete("/api/profile")
    assert status(as_bob) == 200
    bob.refresh_from_db()
    assert (bob.is_active, bob.deactivated_at) == (True, None)


def test_signing_in_is_refused_with_a_sentence_and_a_link(
    gone: User, anonymous: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        page = sign_in(anonymous)
    assert "This account is deactivated" in page
    assert status(anonymous) == 401
    assert len(mail.outbox) == 1
    anonymous.post(link_in(mail.outbox[0]))
    assert "Sign in" in anonymous.get("/accounts/login/").content.decode()
    sign_in(anonymous)
    assert status(anonymous) == 200


def test_a_wrong_password_tells_nothing_of_it(
    gone: User, anonymous: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        page = sign_in(anonymous, password="wrong password")
    assert "The e-mail address or the password is wrong." in page
    assert "deactivated" not in page
    assert not mail.outbox


def test_trying_again_and_again_mails_once_a_minute(
    gone: User, anonymous: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(3):
            sign_in(anonymous)
    assert len(mail.outbox) == 1


def test_who_forgot_the_password_is_mailed_the_way_back(
    gone: User, anonymous: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        page = anonymous.post("/accounts/password/reset/", {"email": "Alice@example.com"}, follow=True)
    assert page.redirect_chain[-1][0] == "/accounts/password/reset/done/"
    assert link_in(mail.outbox[0])


def test_an_account_that_an_operator_switched_off_gets_no_link(
    alice: User, anonymous: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with django_capture_on_commit_callbacks(execute=True):
        page = sign_in(anonymous)
    assert "administrator" in page
    assert not mail.outbox
    assert status(anonymous) == 401


def test_the_link_asks_first(gone: User, link: str, anonymous: Client) -> None:
    page = anonymous.get(link)
    assert "Activate my account" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    gone.refresh_from_db()
    assert not gone.is_active


def test_the_link_works_once_and_everything_is_still_there(gone: User, link: str, anonymous: Client) -> None:
    response = anonymous.post(link, follow=True)
    assert "active again" in response.content.decode()
    gone.refresh_from_db()
    assert (gone.is_active, gone.deactivated_at) == (True, None)
    assert kinds(gone) == ["account.created", "account.deactivated", "account.reactivated"]
    assert status(anonymous) == 401, "the link is no password"
    deactivate(user_id=gone.pk)
    for method in (anonymous.get, anonymous.post):
        assert method(link).status_code == 410
    gone.refresh_from_db()
    assert not gone.is_active


def test_the_link_expires_with_the_account(gone: User, link: str, anonymous: Client, settings: Settings) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=settings.DEACTIVATED_RETENTION_DAYS, minutes=1)):
        response = anonymous.post(link)
    assert response.status_code == 410
    assert "does not work any more" in response.content.decode()


@pytest.mark.parametrize("token", ["x", "a:b:c", "WyJ4Il0:1:x", "%00", "ä"])
def test_a_made_up_link_is_refused(anonymous: Client, token: str) -> None:
    assert anonymous.get(f"/accounts/reactivate/{token}/").status_code in (404, 410)


def test_a_link_opened_while_somebody_else_is_signed_in(gone: User, link: str, as_bob: Client) -> None:
    assert as_bob.post(link).status_code == 302
    assert status(as_bob) == 401
    assert kinds(gone)[-1] == "account.reactivated"


def test_deleting_twice_is_401(as_alice: Client, alice: User) -> None:
    as_alice.delete("/api/profile")
    assert as_alice.delete("/api/profile").status_code == 401
    assert kinds(alice).count("account.deactivated") == 1


def test_a_mail_server_that_is_away_undoes_nothing(
    as_alice: Client,
    alice: User,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with django_capture_on_commit_callbacks(execute=True):
        assert as_alice.delete("/api/profile").status_code == 200
    alice.refresh_from_db()
    assert not alice.is_active
