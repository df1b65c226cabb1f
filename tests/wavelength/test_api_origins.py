"""Whose pages may make a browser call the API (DESIGN.md §9), and whose may read what it answers."""

import pytest
from django.test import Client

from accounts.models import Profile, User
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db

OURS, LISTED = "http://testserver", "https://chat.example.com"


def call(client: Client, origin: str | None, site: str | None, method: str = "PUT", **headers: str) -> int:
    given = {"Origin": origin, "Sec-Fetch-Site": site, **headers}
    sent = {name: value for name, value in given.items() if value is not None}
    body, kind = (b'{"bio": "changed"}', "application/json") if method == "PUT" else (b"", "")
    return client.generic(method, "/api/profile", body, content_type=kind, headers=sent).status_code


def bio(user: User) -> str:
    with tenant(user.pk):
        return Profile.objects.get().bio


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        (None, None), (None, "same-origin"), (None, "none"),
        (OURS, None), (OURS, "same-origin"), (OURS, "cross-site"),
        (LISTED, None), (LISTED, "same-origin"), (LISTED, "same-site"), (LISTED, "cross-site"),
    ],
)  # fmt: skip
def test_our_own_the_listed_and_no_browser_pass(
    as_alice: Client, alice: User, origin: str | None, site: str | None
) -> None:
    assert call(as_alice, origin, site) == 200
    assert bio(alice) == "changed"


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        (None, "same-site"),
        (None, "cross-site"),
        (None, "unheard-of"),
        (None, ""),
        ("null", None),
        ("null", "cross-site"),
        ("", None),
        ("", "cross-site"),
        ("https://evil.example.com", None),
        ("https://evil.example.com", "same-site"),
        ("https://evil.example.com", "cross-site"),
        ("http://chat.example.com", "cross-site"),
        ("https://chat.example.com.evil.com", None),
        ("https://chat.example.com:8443", None),
        ("https://evil.com#https://chat.example.com", None),
        ("https://chat.example.com/", None),
        ("HTTPS://CHAT.EXAMPLE.COM", None),
        ("https://testserver", None),
        ("http://testserver:8000", "same-site"),
        ("http://testserver.evil.com", None),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_every_other_page_is_refused_and_changes_nothing(
    as_alice: Client, alice: User, origin: str | None, site: str | None, method: str
) -> None:
    assert call(as_alice, origin, site, method) == 403
    assert bio(alice) == ""
    alice.refresh_from_db()
    assert alice.is_active


def test_the_refusal_is_in_the_envelope(as_alice: Client) -> None:
    response = as_alice.put(
        "/api/profile", {}, content_type="application/json", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert response.json() == {
        "success": False,
        "code": "cross_origin",
        "error": "This request came from another site and was refused.",
    }


def test_reading_is_not_refused_but_stays_unreadable_elsewhere(as_alice: Client) -> None:
    assert call(as_alice, "https://evil.example.com", "cross-site", "GET") == 200
    response = as_alice.get("/api/profile", headers={"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in response
    assert "origin" in response["Vary"].lower()


def test_a_claimed_host_makes_nobody_ours(as_alice: Client) -> None:
    for headers in (
        {"X-Forwarded-Host": "evil.example.com"},
        {"X-Forwarded-Host": "testserver", "X-Forwarded-Proto": "https"},
    ):
        assert call(as_alice, "https://evil.example.com", None, **headers) == 403


def test_a_bearer_token_is_sent_by_no_browser_on_its_own(anonymous: Client) -> None:
    # Past the check; it is nobody's. What one of somebody's opens: tests/accounts/test_token_use.py.
    assert call(anonymous, "https://evil.example.com", "cross-site", Authorization="Bearer x") == 401


def test_a_cookie_beside_a_bearer_token_opens_nothing(as_alice: Client, alice: User) -> None:
    assert call(as_alice, "https://evil.example.com", "cross-site", Authorization="Bearer x") == 401
    assert bio(alice) == ""


def test_a_listed_origin_may_read_with_the_cookie(as_alice: Client) -> None:
    response = as_alice.get("/api/profile", headers={"Origin": LISTED})
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == LISTED
    assert response["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("path", ["/api/profile", "/api/migration", "/api/auth/session"])
def test_a_browser_asking_beforehand_is_told_what_may_be_sent(anonymous: Client, path: str) -> None:
    asked = {"Origin": LISTED, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    response = anonymous.options(path, headers=asked)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == LISTED
    assert {"GET", "PUT", "POST", "DELETE"} <= set(response["Access-Control-Allow-Methods"].split(", "))
    allowed = set(response["Access-Control-Allow-Headers"].split(", "))
    assert {"content-type", "x-anonymous-id", "idempotency-key", "authorization"} <= allowed
    stranger = anonymous.options(path, headers=asked | {"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in stranger


def test_pages_are_for_no_other_origin(as_alice: Client) -> None:
    for path in ("/accounts/email/", "/profile/", "/healthz", "/admin/login/"):
        assert "Access-Control-Allow-Origin" not in as_alice.get(path, headers={"Origin": LISTED})
