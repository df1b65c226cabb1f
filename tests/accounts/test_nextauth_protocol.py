"""NextAuth v4's session calls, one by one (API.md, "Session")."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from accounts.models import Profile, User
from tests.conftest import signed_in
from wavelength.tenancy import tenant

HERE = "http://testserver"
CLIENT = "https://chat.example.com"
JSON = {"json": "true"}
APP = {"client_id": "an-id", "secret": "a-secret"}


@pytest.fixture(autouse=True)
def _site(settings: LazySettings) -> None:
    settings.SITE_URL = HERE
    settings.TRUSTED_ORIGINS = [CLIENT]
    settings.SOCIALACCOUNT_PROVIDERS = {"google": {"APPS": [APP]}}


def token(browser: Client) -> str:
    return str(browser.get("/api/auth/csrf").json()["csrfToken"])


def post(browser: Client, path: str, fields: dict[str, str], **headers: Any) -> Any:
    return browser.post(f"/api/auth/{path}", {"csrfToken": token(browser)} | fields, **headers)


def test_session_tells_who_is_signed_in(as_alice: Client, alice: User) -> None:
    response = as_alice.get("/api/auth/session")

    session = response.json()
    assert session["user"] == {
        "id": str(alice.pk),
        "name": "Alice",
        "email": "alice@example.com",
        "image": None,
        "tier": "free",
    }
    expires = datetime.fromisoformat(session["expires"])
    assert session["expires"].endswith("Z")
    assert timedelta(days=29) < expires - timezone.now() <= timedelta(days=30)
    assert "no-store" in response["Cache-Control"]


def test_session_shows_the_picture_at_its_full_address(as_alice: Client, alice: User) -> None:
    with tenant(alice.pk):
        Profile.objects.update(avatar="avatars/a-picture.webp")

    image = as_alice.get("/api/auth/session").json()["user"]["image"]

    assert image == f"{HERE}/media/avatars/a-picture.webp"


def test_session_is_empty_when_signed_out(db: None, anonymous: Client) -> None:
    assert anonymous.get("/api/auth/session").json() == {}


def test_session_answers_a_post_the_same_and_takes_nothing_from_it(as_alice: Client, alice: User) -> None:
    body = {"csrfToken": token(as_alice), "data": {"user": {"tier": "pro", "email": "mallory@example.com"}}}

    posted = as_alice.post("/api/auth/session", body, content_type="application/json")

    assert posted.json() == as_alice.get("/api/auth/session").json()
    alice.refresh_from_db()
    assert (alice.tier, alice.email) == ("free", "alice@example.com")


def test_session_costs_few_queries(as_alice: Client, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(5):  # the session with its person; the picture inside its own transaction
        as_alice.get("/api/auth/session")


def test_csrf_token_stays_while_its_cookie_does(db: None, anonymous: Client) -> None:
    first = anonymous.get("/api/auth/csrf")
    cookie = first.cookies["next-auth.csrf-token"]

    assert token(anonymous) == first.json()["csrfToken"] == cookie.value.partition("|")[0]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert token(Client()) != first.json()["csrfToken"]


def test_csrf_cookie_that_we_did_not_make_is_replaced(db: None, anonymous: Client) -> None:
    forged = "0" * 64
    anonymous.cookies["next-auth.csrf-token"] = f"{forged}|{forged}"

    assert token(anonymous) != forged


def test_csrf_cookie_is_read_percent_encoded_as_nextauth_writes_it(db: None, anonymous: Client) -> None:
    known = token(anonymous)
    anonymous.cookies["next-auth.csrf-token"] = anonymous.cookies["next-auth.csrf-token"].value.replace("|", "%7C")

    assert token(anonymous) == known


def test_csrf_cookie_is_bound_to_the_host_under_https(db: None, anonymous: Client, settings: LazySettings) -> None:
    settings.SESSION_COOKIE_SECURE = True

    cookie = anonymous.get("/api/auth/csrf", secure=True).cookies["__Host-next-auth.csrf-token"]

    assert (cookie["secure"], cookie["domain"]) == (True, "")


def test_providers_are_those_with_credentials_and_email(db: None, anonymous: Client) -> None:
    listed = anonymous.get("/api/auth/providers").json()

    assert set(listed) == {"google", "email"}
    assert listed["google"] == {
        "id": "google",
        "name": "Google",
        "type": "oauth",
        "signinUrl": f"{HERE}/api/auth/signin/google",
        "callbackUrl": f"{HERE}/api/auth/callback/google",
    }
    assert listed["email"]["type"] == "email"


def test_signin_leads_to_the_provider(db: None, anonymous: Client) -> None:
    url = post(anonymous, "signin/google", JSON | {"callbackUrl": f"{HERE}/chats/"}).json()["url"]

    assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?client_id=an-id&")
    assert "redirect_uri=http%3A%2F%2Ftestserver%2Fapi%2Fauth%2Fcallback%2Fgoogle" in url


def test_signin_answers_v5_by_its_header_and_a_plain_form_by_redirect(db: None, anonymous: Client) -> None:
    v5 = post(anonymous, "signin/google", {}, headers={"X-Auth-Return-Redirect": "1"})
    form = post(anonymous, "signin/google", {})

    assert v5.json()["url"].startswith("https://accounts.google.com/")
    assert (form.status_code, form["Location"].partition("?")[0]) == (
        302,
        "https://accounts.google.com/o/oauth2/v2/auth",
    )


def test_signin_by_email_leads_to_the_sign_in_page(db: None, anonymous: Client) -> None:
    url = post(anonymous, "signin/email", JSON | {"callbackUrl": f"{CLIENT}/chat"}).json()["url"]

    assert url.startswith(f"{HERE}/accounts/login/?")
    assert "next=https%3A%2F%2Fchat.example.com%2Fchat" in url
    assert "error=" not in url


@pytest.mark.parametrize("name", ["github", "myspace"])
def test_signin_with_a_provider_that_is_not_set_up_leads_to_the_sign_in_page(
    db: None, anonymous: Client, name: str
) -> None:
    assert "error=OAuthSignin" in post(anonymous, f"signin/{name}", JSON).json()["url"]


@pytest.mark.parametrize("path", ["signin", "error", "signin/google"])
def test_pages_lead_to_the_sign_in_page_with_the_way_back(db: None, anonymous: Client, path: str) -> None:
    response = anonymous.get(f"/api/auth/{path}", {"callbackUrl": f"{CLIENT}/chat", "error": "SessionRequired"})

    assert response.status_code == 302
    assert response["Location"] == (
        f"{HERE}/accounts/login/?error=SessionRequired"
        "&callbackUrl=https%3A%2F%2Fchat.example.com%2Fchat&next=https%3A%2F%2Fchat.example.com%2Fchat"
    )


def test_signout_ends_the_session(as_alice: Client) -> None:
    response = post(as_alice, "signout", JSON | {"callbackUrl": f"{CLIENT}/bye"})

    assert response.json() == {"url": f"{CLIENT}/bye"}
    assert as_alice.get("/api/auth/session").json() == {}


def test_signout_ends_only_this_browsers_session(alice: User, as_alice: Client) -> None:
    elsewhere = signed_in(alice)

    post(as_alice, "signout", JSON)

    assert elsewhere.get("/api/auth/session").json()["user"]["id"] == str(alice.pk)


@pytest.mark.parametrize("sent", ["", "wrong", None])
def test_refused_post_names_the_sign_in_page_and_changes_nothing(as_alice: Client, sent: str | None) -> None:
    token(as_alice)
    fields = JSON | ({} if sent is None else {"csrfToken": sent})

    for path in ("signout", "signin/google"):
        url = as_alice.post(f"/api/auth/{path}", fields).json()["url"]
        assert url.startswith(f"{HERE}/accounts/login/?error=MissingCSRF")
    assert as_alice.get("/api/auth/session").json() != {}


def test_token_of_another_browser_is_refused(as_alice: Client, anonymous: Client) -> None:
    token(as_alice)

    response = as_alice.post("/api/auth/signout", JSON | {"csrfToken": token(anonymous)})

    assert "error=" in response.json()["url"]
    assert as_alice.get("/api/auth/session").json() != {}


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://chat.example.com.evil.example/",
        "https://chat.example.com@evil.example/",
        "http://chat.example.com/",
        "https://chat.example.com:8443/",
        "javascript:alert(1)",
        "",
        " https://evil.example",
        "ht\ntps://evil.example",
    ],
)
def test_callback_url_elsewhere_becomes_the_start_page(as_alice: Client, elsewhere: str) -> None:
    assert post(as_alice, "signout", JSON | {"callbackUrl": elsewhere}).json() == {"url": f"{HERE}/"}


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("/chats/?q=1", f"{HERE}/chats/?q=1"), (f"{HERE}/x", f"{HERE}/x"), (f"{CLIENT}/chat#top", f"{CLIENT}/chat#top")],
)
def test_callback_url_here_or_at_a_trusted_origin_is_kept(as_alice: Client, asked: str, answered: str) -> None:
    assert post(as_alice, "signout", JSON | {"callbackUrl": asked}).json() == {"url": answered}


def test_addresses_are_on_the_origin_that_a_trusted_client_forwards(db: None, anonymous: Client) -> None:
    through = {"X-Forwarded-Host": "chat.example.com", "X-Forwarded-Proto": "https"}

    listed = anonymous.get("/api/auth/providers", headers=through).json()
    consent = post(anonymous, "signin/google", JSON, headers=through).json()["url"]

    assert listed["google"]["callbackUrl"] == f"{CLIENT}/api/auth/callback/google"
    assert "redirect_uri=https%3A%2F%2Fchat.example.com%2Fapi%2Fauth%2Fcallback%2Fgoogle" in consent


def test_forwarded_host_that_nobody_listed_is_ignored(db: None, anonymous: Client) -> None:
    listed = anonymous.get("/api/auth/providers", headers={"X-Forwarded-Host": "evil.example"}).json()

    assert listed["google"]["callbackUrl"] == f"{HERE}/api/auth/callback/google"


def test_log_is_discarded(db: None, anonymous: Client) -> None:
    response = anonymous.post("/api/auth/_log", {"code": "X", "level": "error", "message": "anything"})

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "csrf"), ("post", "providers"), ("get", "_log"), ("delete", "session"), ("put", "signout")],
)
def test_wrong_method_is_told_in_json(db: None, anonymous: Client, method: str, path: str) -> None:
    response = getattr(anonymous, method)(f"/api/auth/{path}")

    assert response.status_code == 405
    assert response.json()["success"] is False


def test_unknown_action_is_told_in_json(db: None, anonymous: Client) -> None:
    response = anonymous.get("/api/auth/nonsense")

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
