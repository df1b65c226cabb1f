"""Signing in with Google and GitHub, against local servers that speak their OAuth 2."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.conf import LazySettings
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.models import AnonymousSession, AuditEvent, DataKey, Profile, Session, User
from accounts.people import create_person
from accounts.social import GitHubAdapter, GoogleAdapter
from tests.conftest import PASSWORD, signed_in
from tests.servers.oauth import GitHub, Google, OAuthServer
from wavelength.tenancy import tenant

SITE = "http://testserver"


@dataclass
class Door:
    """A provider as a person meets it: press its button, agree, come back."""

    name: str
    server: OAuthServer

    def consent_address(self, browser: Client, **form: str) -> str:
        """Where the button on the sign-in page leads."""
        return str(browser.post(reverse(f"{self.name}_login"), form)["Location"])

    def come_back(self, browser: Client, consent: str) -> Any:
        """What the browser gets when the provider sends it back to us."""
        answer = httpx.get(consent)
        assert answer.status_code == 302, answer.text
        back = answer.headers["location"]
        assert back.startswith(f"{SITE}/api/auth/callback/{self.name}?")
        return browser.get(back.removeprefix(SITE))

    def walk_through(self, browser: Client, **form: str) -> Any:
        """The whole way, as a person goes it."""
        return self.come_back(browser, self.consent_address(browser, **form))


@pytest.fixture
def google(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with Google(f"{SITE}/api/auth/callback/google") as server:
        _configure(settings, "google", server)
        monkeypatch.setattr(GoogleAdapter, "authorize_url", server.settings["AUTHORIZE_URL"])
        monkeypatch.setattr(GoogleAdapter, "access_token_url", server.settings["ACCESS_TOKEN_URL"])
        monkeypatch.setattr(GoogleAdapter, "identity_url", server.settings["IDENTITY_URL"])
        yield Door("google", server)


@pytest.fixture
def github(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with GitHub(f"{SITE}/api/auth/callback/github") as server:
        _configure(settings, "github", server)
        monkeypatch.setattr(GitHubAdapter, "authorize_url", f"{server.url}/login/oauth/authorize")
        monkeypatch.setattr(GitHubAdapter, "access_token_url", f"{server.url}/login/oauth/access_token")
        monkeypatch.setattr(GitHubAdapter, "profile_url", f"{server.url}/api/v3/user")
        monkeypatch.setattr(GitHubAdapter, "emails_url", f"{server.url}/api/v3/user/emails")
        yield Door("github", server)


@pytest.fixture(params=["google", "github"])
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.getfixturevalue(request.param)
    return found


def _configure(settings: LazySettings, name: str, server: OAuthServer) -> None:
    app = {"client_id": server.client_id, "secret": server.client_secret}
    settings.SOCIALACCOUNT_PROVIDERS = settings.SOCIALACCOUNT_PROVIDERS | {
        name: {"APPS": [app], "OAUTH_PKCE_ENABLED": True}
    }


def who(browser: Client) -> str | None:
    """The address of whoever is signed in in this browser."""
    user = browser.get("/api/auth/session").json().get("user")
    return None if user is None else str(user["email"])


def make_unverified(email: str) -> User:
    """Somebody who signed up with an address and never confirmed it."""
    user = User(email=email, name="Whoever came first")
    user.set_password(PASSWORD)
    create_person(user, way="signup")
    EmailAddress.objects.create(user=user, email=email, verified=False, primary=True)
    return user


def sentences(browser: Client, response: Any) -> str:
    """The page that a person ends on."""
    return browser.get(response["Location"]).content.decode()


def test_first_sign_in_creates_an_account_with_all_it_needs(db: None, door: Door, anonymous: Client) -> None:
    response = door.walk_through(anonymous)

    assert (response.status_code, response["Location"]) == (302, "/")
    assert who(anonymous) == "dana@example.com"
    user = User.objects.get(email="dana@example.com")
    assert (user.name, user.has_usable_password()) == ("Dana Provider", False)
    assert EmailAddress.objects.filter(user=user, verified=True, primary=True).count() == 1
    assert not SocialToken.objects.exists()
    with tenant(user.pk):
        assert Profile.objects.get().display_name == "Dana Provider"
        assert DataKey.objects.count() == 1
        assert AuditEvent.objects.get(kind="account.created").details == {"way": door.name}


def test_what_a_browser_was_before_comes_along(db: None, door: Door, anonymous: Client) -> None:
    anonymous.get("/?anonymous_id=browser-1")
    door.walk_through(anonymous)

    assert who(anonymous) == "dana@example.com"
    claimed = AnonymousSession.objects.get(anonymous_id="browser-1")
    assert claimed.claimed_by == User.objects.get(email="dana@example.com")


def test_second_sign_in_finds_the_account_even_after_its_address_changed(
    db: None, door: Door, anonymous: Client
) -> None:
    door.walk_through(anonymous)
    user = User.objects.get()
    door.server.become(email="dana.new@example.com")

    another_browser = Client()
    door.walk_through(another_browser)

    assert who(another_browser) == "dana@example.com"
    assert User.objects.get() == user


def test_consent_asks_with_pkce_for_our_one_redirect_address(db: None, door: Door, anonymous: Client) -> None:
    asked = httpx.URL(door.consent_address(anonymous)).params

    assert asked["redirect_uri"] == f"{SITE}/api/auth/callback/{door.name}"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) >= 16


def test_verified_address_links_to_the_account_whose_own_it_is(alice: User, door: Door, anonymous: Client) -> None:
    door.server.become(email="Alice@Example.com")

    door.walk_through(anonymous)

    assert who(anonymous) == "alice@example.com"
    assert SocialAccount.objects.get(user=alice).provider == door.name
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    with tenant(alice.pk):
        assert AuditEvent.objects.get(kind="social.connected").details["password_wiped"] is False


def test_account_with_an_unconfirmed_address_is_not_taken_over_with_its_password_alive(
    db: None, door: Door, anonymous: Client
) -> None:
    squatter = make_unverified("dana@example.com")
    squatting_browser = signed_in(squatter)
    SocialAccount.objects.create(user=squatter, provider="other", uid="squatter")
    Authenticator.objects.create(user=squatter, type=Authenticator.Type.TOTP, data={})
    EmailAddress.objects.create(user=squatter, email="squatter@example.com", verified=False)

    door.walk_through(anonymous)

    assert who(anonymous) == "dana@example.com"
    squatter.refresh_from_db()
    assert not squatter.has_usable_password()
    assert not Session.objects.filter(session_key=squatting_browser.session.session_key).exists()
    assert who(squatting_browser) is None
    assert not squatting_browser.login(email="dana@example.com", password=PASSWORD)
    assert [account.provider for account in SocialAccount.objects.filter(user=squatter)] == [door.name]
    assert [address.email for address in EmailAddress.objects.filter(user=squatter, verified=True)] == [
        "dana@example.com"
    ]
    assert EmailAddress.objects.filter(user=squatter).count() == 1
    assert not Authenticator.objects.filter(user=squatter).exists()
    with tenant(squatter.pk):
        assert AuditEvent.objects.get(kind="social.connected").details["password_wiped"] is True


def test_address_that_a_confirmed_account_merely_claims_stays_free(alice: User, door: Door, anonymous: Client) -> None:
    EmailAddress.objects.create(user=alice, email="dana@example.com", verified=False)

    door.walk_through(anonymous)

    assert who(anonymous) == "dana@example.com"
    assert User.objects.count() == 2
    assert not EmailAddress.objects.filter(user=alice, email="dana@example.com").exists()


def test_account_with_another_confirmed_address_is_not_taken_over(alice: User, door: Door, anonymous: Client) -> None:
    User.objects.filter(pk=alice.pk).update(email="dana@example.com")

    door.walk_through(anonymous)

    assert who(anonymous) is None
    assert not SocialAccount.objects.exists()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_unverified_provider_address_does_not_link(alice: User, door: Door, anonymous: Client) -> None:
    door.server.become(email="alice@example.com", verified=False)

    response = door.walk_through(anonymous)

    assert who(anonymous) is None
    assert not SocialAccount.objects.exists()
    assert "has not confirmed that your e-mail address is yours" in sentences(anonymous, response)


def test_unverified_provider_address_does_not_create(db: None, door: Door, anonymous: Client) -> None:
    door.server.become(verified=False)

    door.walk_through(anonymous)

    assert who(anonymous) is None
    assert not User.objects.exists()


def test_github_uses_a_verified_address_when_the_primary_is_not(db: None, github: Door, anonymous: Client) -> None:
    github.server.become(verified=False, more_emails=(("dana@work.example", True), ("dana@old.example", False)))

    github.walk_through(anonymous)

    assert who(anonymous) == "dana@work.example"
    assert EmailAddress.objects.count() == 1


def test_refused_consent_ends_in_a_sentence(db: None, door: Door, anonymous: Client) -> None:
    door.server.refuses = True

    response = door.walk_through(anonymous, next="/chats/")

    assert response["Location"].startswith(reverse("account_login"))
    assert "error=AccessDenied" in response["Location"]
    assert "next=%2Fchats%2F" in response["Location"]
    assert "You chose not to sign in with" in sentences(anonymous, response)
    assert not User.objects.exists()


@pytest.mark.parametrize("fault", ["error", "garbage", "down"])
def test_provider_that_fails_ends_in_a_sentence(
    db: None, door: Door, anonymous: Client, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    consent = door.consent_address(anonymous)
    door.server.token_fault = fault

    response = door.come_back(anonymous, consent)

    assert "could not tell us who you are" in sentences(anonymous, response)
    assert door.server.client_secret not in caplog.text


def test_state_of_another_browser_is_refused(db: None, door: Door, anonymous: Client) -> None:
    consent = door.consent_address(anonymous)

    victim = Client()
    response = door.come_back(victim, consent)

    assert "could not tell us who you are" in sentences(victim, response)
    assert who(victim) is None
    assert not User.objects.exists()


def test_code_and_state_work_once(db: None, door: Door, anonymous: Client) -> None:
    back = httpx.get(door.consent_address(anonymous)).headers["location"].removeprefix(SITE)
    anonymous.get(back)

    again = anonymous.get(back)

    assert "error=OAuthCallback" in again["Location"]


def test_somebody_else_may_come_back_than_was_signed_in(as_alice: Client, alice: User, door: Door) -> None:
    door.walk_through(as_alice)

    assert who(as_alice) == "dana@example.com"
    assert not SocialAccount.objects.filter(user=alice).exists()


def test_connecting_asks_who_one_is_and_keeps_nothing_until_then(as_alice: Client, alice: User, door: Door) -> None:
    answer = door.walk_through(as_alice, process="connect")

    assert answer["Location"] == reverse("socialaccount_connections")
    assert as_alice.get(answer["Location"])["Location"].startswith(reverse("account_reauthenticate"))
    assert not SocialAccount.objects.exists()
    kept = str(list(Session.objects.values_list("session_data", flat=True)))
    assert door.server.issued_tokens()
    assert not any(token in kept for token in door.server.issued_tokens())


def test_connecting_keeps_the_account_whatever_the_address(as_alice: Client, alice: User, door: Door) -> None:
    as_alice.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    response = door.walk_through(as_alice, process="connect")

    assert response["Location"] == reverse("socialaccount_connections")
    assert SocialAccount.objects.get().user == alice
    assert who(as_alice) == "alice@example.com"


def test_deactivated_account_is_not_entered(alice: User, door: Door, anonymous: Client) -> None:
    door.server.become(email="alice@example.com")
    User.objects.filter(pk=alice.pk).update(is_active=False)

    door.walk_through(anonymous)

    assert who(anonymous) is None


def test_callback_of_a_provider_without_credentials_is_not_there(
    db: None, anonymous: Client, settings: LazySettings
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {}

    for name in ("google", "github", "myspace"):
        assert anonymous.get(f"/api/auth/callback/{name}?code=1&state=2").status_code == 404


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_two_tabs_at_once_make_one_account(door: Door) -> None:
    browsers = [Client() for _ in range(4)]
    backs = [httpx.get(door.consent_address(browser)).headers["location"] for browser in browsers]

    def arrive(browser: Client, back: str) -> str:
        try:
            return str(browser.get(back.removeprefix(SITE))["Location"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(browsers)) as threads:
        ends = list(threads.map(arrive, browsers, backs))

    assert User.objects.count() == SocialAccount.objects.count() == EmailAddress.objects.count() == 1
    # Who came a moment too late is asked to try again, or told by mail that the account exists.
    late = reverse("account_email_verification_sent")
    assert "/" in ends
    assert all(end in ("/", late) or "error=OAuthCreateAccount" in end for end in ends)


def test_sessions_of_the_anonymous_leave_no_trace_of_the_provider(db: None, door: Door, anonymous: Client) -> None:
    door.walk_through(anonymous)

    secret = door.server.client_secret
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
