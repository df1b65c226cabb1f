"""The local servers behave as the real ones do where our tests rely on it."""

import base64
import hashlib
import smtplib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography import x509

from tests.servers.oauth import GOOGLE_ISSUER, KEY_ID, GitHub, Google, OAuthServer
from tests.servers.providers import ANTHROPIC_VERSION, RETRY_AFTER, SERVERS, ProviderServer
from tests.servers.redis import redis_server
from tests.servers.smtp import MailServer

REDIRECT = "http://portal.test/api/auth/callback/x"
VERIFIER = "v" * 64


@pytest.fixture(params=[Google, GitHub])
def oauth(request: pytest.FixtureRequest) -> Iterator[OAuthServer]:
    with request.param(REDIRECT) as server:
        yield server


def authorize(server: OAuthServer, **changes: str) -> httpx.Response:
    asked = {
        "client_id": server.client_id,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "email user:email",
        "state": "s1",
    }
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked |= {"code_challenge": challenge, "code_challenge_method": "S256"} | changes
    return httpx.get(server.url + server.authorize_path, params=asked)


def answer_of(response: httpx.Response) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


def token(server: OAuthServer, code: str, **changes: str) -> httpx.Response:
    sent = {
        "grant_type": "authorization_code",
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "redirect_uri": REDIRECT,
        "code": code,
        "code_verifier": VERIFIER,
    }
    return httpx.post(server.url + server.token_path, data=sent | changes)


def fields(response: httpx.Response) -> dict[str, str]:
    if response.headers["content-type"].startswith("application/json"):
        return dict(response.json())
    return {name: values[0] for name, values in parse_qs(response.text).items()}


def test_oauth_gives_a_token_for_a_code_once(oauth: OAuthServer) -> None:
    back = answer_of(authorize(oauth))

    assert back["state"] == "s1"
    assert fields(token(oauth, back["code"]))["access_token"]
    assert "error" in fields(token(oauth, back["code"]))


@pytest.mark.parametrize(
    "changes", [{"client_secret": "wrong"}, {"redirect_uri": "http://evil.test"}, {"code_verifier": "w" * 64}]
)
def test_oauth_refuses_a_token_to_whoever_did_not_ask_for_the_code(oauth: OAuthServer, changes: dict[str, str]) -> None:
    code = answer_of(authorize(oauth))["code"]

    assert "access_token" not in fields(token(oauth, code, **changes))


def test_oauth_does_not_redirect_to_an_address_that_is_not_registered(oauth: OAuthServer) -> None:
    assert authorize(oauth, redirect_uri="http://evil.test/").status_code == 400
    assert authorize(oauth, client_id="unknown").status_code == 401


def test_oauth_carries_a_refused_consent_back(oauth: OAuthServer) -> None:
    oauth.refuses = True

    assert answer_of(authorize(oauth))["error"] == "access_denied"


def test_google_signs_who_the_person_is() -> None:
    with Google(REDIRECT) as google:
        google.become(email="eve@example.com", verified=False)
        got = fields(token(google, answer_of(authorize(google))["code"]))
        certificate = httpx.get(google.settings["CERTS_URL"]).json()[KEY_ID]
        bearer = {"Authorization": f"Bearer {got['access_token']}"}
        person = httpx.get(google.settings["IDENTITY_URL"], headers=bearer).json()
        stranger = httpx.get(google.settings["IDENTITY_URL"])

    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    claims = jwt.decode(got["id_token"], key, ["RS256"], audience=google.client_id, issuer=GOOGLE_ISSUER)  # type: ignore[arg-type]  # an RSA key
    assert (claims["email"], claims["email_verified"]) == ("eve@example.com", False)
    assert (person["email"], person["verified_email"]) == ("eve@example.com", False)
    assert stranger.status_code == 401


def test_github_tells_addresses_only_with_the_scope_for_them() -> None:
    with GitHub(REDIRECT) as github:
        github.become(more_emails=(("old@example.com", False),))
        statuses = []
        for scope in ("user:email", "read:user"):
            got = fields(token(github, answer_of(authorize(github, scope=scope))["code"]))
            emails = httpx.get(
                f"{github.url}/api/v3/user/emails", headers={"Authorization": f"token {got['access_token']}"}
            )
            statuses.append(emails.status_code)
        assert statuses == [200, 404]


@pytest.fixture(params=list(SERVERS))
def provider(request: pytest.FixtureRequest) -> Iterator[ProviderServer]:
    with SERVERS[request.param]("the-good-key") as server:
        yield server


def headers_for(provider: ProviderServer, key: str) -> dict[str, str]:
    return {
        "anthropic": {"x-api-key": key, "anthropic-version": ANTHROPIC_VERSION},
        "google": {"x-goog-api-key": key},
    }.get(provider.name, {"Authorization": f"Bearer {key}"})


def ask(provider: ProviderServer, key: str = "the-good-key", **parameters: str) -> httpx.Response:
    url = provider.base_url + provider.private_paths[0]
    return httpx.get(url, headers=headers_for(provider, key), params=parameters)


def test_provider_takes_its_own_keys_only_and_only_in_the_header(provider: ProviderServer) -> None:
    wrong = {"xai": 400, "google": 400}.get(provider.name, 401)

    assert ask(provider).status_code == 200
    assert ask(provider, "another-key").status_code == wrong
    assert ask(provider, api_key="the-good-key").status_code == 400
    assert provider.seen_keys[:2] == ["the-good-key", "another-key"]


def test_provider_misbehaves_as_told(provider: ProviderServer) -> None:
    statuses = {"forbidden": 403, "limited": 429, "broken": 500, "redirect": 302, "garbage": 200}
    for mode, status in statuses.items():
        provider.mode = mode  # type: ignore[assignment]  # one of its names
        answer = ask(provider)
        assert answer.status_code == status
    provider.mode = "limited"
    assert ask(provider).headers["retry-after"] == str(RETRY_AFTER)
    provider.mode, provider.delay = "slow", 0.01
    assert ask(provider).status_code == 200


def test_provider_without_end_can_be_left(provider: ProviderServer) -> None:
    provider.mode = "huge"
    url = provider.base_url + provider.private_paths[0]
    with httpx.stream("GET", url, headers=headers_for(provider, "the-good-key")) as answer:
        assert len(next(answer.iter_bytes(1_000_000))) == 1_000_000


def test_mail_arrives_as_it_was_sent() -> None:
    with MailServer() as mail, smtplib.SMTP("127.0.0.1", mail.port) as client:
        client.sendmail(
            "a@example.com", ["b@example.com"], "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n.dot\r\n"
        )
        letter = mail.letter_to("b@example.com")

    assert (letter.sender, letter.subject) == ("a@example.com", "Grüße")
    assert letter.text.splitlines() == ["Hello", ".dot"]


def test_where_there_is_no_redis_the_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(pytest.skip.Exception, match="install redis-server"), redis_server():
        pass
