"""The security page: ways in, and the browsers that are signed in."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEvent, Session, User
from tests.conftest import PASSWORD, signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
PAGE = "accounts:security"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def confirm(client: Client) -> None:
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def browser_of(client: Client) -> UserSession:
    """What allauth notes at signing in, which `signed_in` goes around."""
    noted = {"user_id": client.session["_auth_user_id"], "ip": "127.0.0.1"}
    return UserSession.objects.get_or_create(session_key=client.session.session_key, defaults=noted)[0]


def is_in(client: Client) -> bool:
    return client.get("/api/profile").status_code == 200


def kinds(person: User) -> list[str]:
    with tenant(person.pk):
        return list(AuditEvent.objects.order_by("at", "id").values_list("kind", flat=True))


def test_it_works(alice: User, as_alice: Client) -> None:
    browser_of(as_alice)
    UserSession.objects.filter(pk=browser_of(signed_in(alice)).pk).update(user_agent=FIREFOX, ip="192.0.2.7")
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert "Firefox on Linux" in page
    assert "192.0.2.7" in page
    assert page.count("This one") == 1
    assert re.search(r"Authenticator app[^<]*<span class=\"badge[^>]*>\s*Off", page)


def test_a_second_factor_and_recovery_codes_are_shown_by_number(alice: User, as_alice: Client) -> None:
    TOTP.activate(alice, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(alice).get_unused_codes()
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert "10 are left" in page
    assert not any(code in page for code in codes)


def test_another_owners_browsers_are_not_shown(alice: User, as_bob: Client) -> None:
    UserSession.objects.filter(pk=browser_of(signed_in(alice)).pk).update(ip="192.0.2.7")

    assert "192.0.2.7" not in as_bob.get(reverse(PAGE)).content.decode()


def test_a_browser_is_signed_out(alice: User, as_alice: Client) -> None:
    elsewhere = signed_in(alice)
    confirm(as_alice)
    response = as_alice.post(reverse("accounts:browser-end", args=[browser_of(elsewhere).pk]), follow=True)

    assert "That browser is signed out." in response.content.decode()
    assert (is_in(as_alice), is_in(elsewhere)) == (True, False)
    assert kinds(alice)[-1] == "session.ended"


def test_another_owners_browser_stays(alice: User, as_bob: Client) -> None:
    as_alice = signed_in(alice)
    confirm(as_bob)

    assert as_bob.post(reverse("accounts:browser-end", args=[browser_of(as_alice).pk])).status_code == 404
    assert is_in(as_alice)


def test_everywhere_else_is_signed_out(alice: User, as_alice: Client, as_bob: Client) -> None:
    # The second is on no list.
    elsewhere = [signed_in(alice), signed_in(alice)]
    browser_of(elsewhere[0])
    confirm(as_alice)
    response = as_alice.post(reverse("accounts:other-browsers-end"), follow=True)

    assert "2 other browsers are signed out." in response.content.decode()
    assert [is_in(client) for client in (as_alice, as_bob, *elsewhere)] == [True, True, False, False]
    assert list(Session.objects.filter(user=alice)) == [Session.objects.get(pk=as_alice.session.session_key)]
    assert kinds(alice)[-1] == "session.others_ended"


def test_a_browser_that_is_out_is_not_listed(alice: User, as_alice: Client) -> None:
    for client in (signed_in(alice), signed_in(alice)):
        UserSession.objects.filter(pk=browser_of(client).pk).update(ip="192.0.2.7")
    Session.objects.filter(user=alice).exclude(pk=as_alice.session.session_key).update(auth_hash="of another password")

    assert "192.0.2.7" not in as_alice.get(reverse(PAGE)).content.decode()


@pytest.mark.parametrize("name", ["accounts:browser-end", "accounts:other-browsers-end"])
def test_only_a_post_signs_out(name: str, as_alice: Client) -> None:
    address = reverse(name, args=[1] if name.endswith("browser-end") else [])

    assert as_alice.get(address).status_code == 405


def test_when_a_browser_was_last_seen_is_noted_now_and_then(alice: User, as_alice: Client) -> None:
    before = browser_of(as_alice).last_seen_at
    as_alice.get("/")
    assert browser_of(as_alice).last_seen_at == before
    Session.objects.filter(user=alice).update(expire_date=timezone.now() + timedelta(days=29))
    UserSession.objects.filter(user=alice).update(last_seen_at=before - timedelta(days=1))
    for address in ("192.0.2.8", "192.0.2.9"):
        as_alice.get("/", REMOTE_ADDR=address)
    # The second look came too soon after the first to count.
    assert browser_of(as_alice).ip == "192.0.2.8"
    assert browser_of(as_alice).last_seen_at >= before


def test_it_costs_the_same_however_many_there_are(
    alice: User, as_alice: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        browser_of(signed_in(alice))
        data = {"name": f"Key {number}", "credential": {"clientExtensionResults": {}}}
        Authenticator.objects.create(user=alice, type=Authenticator.Type.WEBAUTHN, data=data)
    SocialAccount.objects.create(user=alice, provider="google", uid="1", extra_data={"email": "alice@gmail.com"})
    as_alice.get(reverse(PAGE))  # what is read once a process
    # The session with its person; ways in: 3, and providers kept in the database; browsers; activity; a transaction: 2.
    with django_assert_num_queries(9):
        page = as_alice.get(reverse(PAGE)).content.decode()
    assert "alice@gmail.com" in page


def test_the_addresses_of_allauth_lead_here(as_alice: Client) -> None:
    for address in ("/accounts/2fa/", "/accounts/2fa/webauthn/", "/accounts/sessions/"):
        assert as_alice.get(address)["Location"] == reverse(PAGE), address


def test_a_session_goes_stale_while_asked_to_confirm(alice: User, as_alice: Client) -> None:
    """Minutes after confirming, it is asked for again; what was asked for is done once that is given."""
    elsewhere = signed_in(alice)
    confirm(as_alice)
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        asked = as_alice.post(reverse("accounts:other-browsers-end"))
        assert asked["Location"].startswith("/accounts/reauthenticate/")
        assert is_in(elsewhere)
        as_alice.post(asked["Location"], {"password": PASSWORD})
        assert not is_in(elsewhere)
