"""The admin opens only with a second factor: who has none is led to set one up, who has not shown it is asked."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.people import open_account
from tests.conftest import PASSWORD, TOTP_SECRET, administering, signed_in

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"], transaction=True)

PAGES = ["/admin/", "/admin/accounts/user/", "/admin/accounts/user/add/", "/admin/jsi18n/", "/admin/accounts/"]


@pytest.fixture
def olga() -> User:
    """As `create_account --staff` makes her."""
    return open_account(
        email="olga@example.com", name="Olga", is_staff=True, verified=True, password=PASSWORD, way="command"
    )


def code_now(secret: str = TOTP_SECRET) -> str:
    # A code counts once, and a test does not wait for the next.
    cache.clear()
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def sign_in(client: Client) -> None:
    client.post("/accounts/login/", {"login": "olga@example.com", "password": PASSWORD})


@pytest.mark.parametrize("page", PAGES)
def test_without_one_no_page_of_it_is_seen(page: str, olga: User) -> None:
    client = signed_in(olga, second_factor=False)
    assert client.get(page)["Location"] == "/accounts/2fa/totp/activate/"
    assert client.post(page, {"email": "new@example.com"}).status_code == 302
    assert not User.objects.filter(email="new@example.com").exists()


def test_she_is_led_to_set_one_up_and_then_it_opens(olga: User, anonymous: Client) -> None:
    sign_in(anonymous)
    asked = anonymous.get("/admin/accounts/user/", follow=True)
    # Her password once more, before a way in changes.
    assert asked.redirect_chain[-1][0].startswith("/accounts/reauthenticate/")
    assert b"The admin opens only with a second factor" in asked.content
    set_up = anonymous.post(asked.redirect_chain[-1][0], {"password": PASSWORD}, follow=True)
    assert set_up.redirect_chain[-1][0] == "/accounts/2fa/totp/activate/"
    secret = set_up.context["form"].secret
    anonymous.post("/accounts/2fa/totp/activate/", {"code": code_now(secret)})
    assert anonymous.get("/admin/accounts/user/").status_code == 200


def test_signing_in_shows_it(olga: User, anonymous: Client) -> None:
    TOTP.activate(olga, TOTP_SECRET)
    sign_in(anonymous)
    assert anonymous.get("/admin/")["Location"].startswith("/admin/login/"), "not signed in before the code"
    assert anonymous.post("/accounts/2fa/authenticate/", {"code": code_now()}).status_code == 302
    assert anonymous.get("/admin/").status_code == 200


def test_a_session_from_before_is_asked_for_it(olga: User, anonymous: Client) -> None:
    sign_in(anonymous)
    TOTP.activate(olga, TOTP_SECRET)
    asked = anonymous.get("/admin/accounts/user/?q=dora")
    assert asked["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2Faccounts%2Fuser%2F%3Fq%3Ddora"
    shown = anonymous.post(asked["Location"], {"code": code_now()})
    assert shown["Location"] == "/admin/accounts/user/?q=dora"
    assert anonymous.get(shown["Location"]).status_code == 200


def test_who_gives_it_up_is_out(olga: User) -> None:
    client = administering(olga)
    assert client.get("/admin/").status_code == 200
    olga.authenticator_set.all().delete()  # type: ignore[attr-defined]  # allauth has no types
    assert client.get("/admin/")["Location"] == "/accounts/2fa/totp/activate/"


def test_who_may_not_enter_is_not_led_anywhere(alice: User) -> None:
    assert signed_in(alice).get("/admin/", follow=True).status_code == 403
