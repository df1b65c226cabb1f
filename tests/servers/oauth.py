"""Google and GitHub as OAuth 2 sees them: authorize, token, the person. For the tests of social sign-in.

Each checks what the real one checks: the registered client and redirect URI, a code that works once, for this client,
this redirect URI and this PKCE verifier (RFC 6749 §4.1, RFC 7636). Consent is given at once, or refused.
"""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.servers.local import LocalServer, Received, Reply, json_reply

GOOGLE_ISSUER: Final = "https://accounts.google.com"
KEY_ID: Final = "local-signing-key"


@dataclass(frozen=True)
class Person:
    """Whoever sits in front of the browser at the provider."""

    subject: str = "100000000000000000001"
    email: str = "dana@example.com"
    verified: bool = True
    name: str = "Dana Provider"
    login: str = "dana"
    picture: str = "https://images.example.com/dana.png"
    more_emails: tuple[tuple[str, bool], ...] = ()
    """Further addresses at GitHub, each with whether it is verified."""


@dataclass(frozen=True)
class Grant:
    """What a code was given for."""

    person: Person
    redirect_uri: str
    challenge: str
    scope: str


class OAuthServer(LocalServer):
    """What Google and GitHub have in common. `redirect_uris` are the registered ones, compared exactly."""

    authorize_path: str
    token_path: str
    denial: str

    def __init__(self, *redirect_uris: str) -> None:
        super().__init__()
        self.client_id = f"client-{secrets.token_hex(6)}"
        self.client_secret = f"secret-{secrets.token_hex(16)}"
        self.redirect_uris = set(redirect_uris)
        self.person = Person()
        self.refuses = False
        self.token_fault: Literal["error", "garbage", "down"] | None = None
        self._grants: dict[str, Grant] = {}
        self._tokens: dict[str, Grant] = {}

    def become(self, **fields: Any) -> Person:
        """Another person sits down: the one before with `fields` changed."""
        self.person = replace(self.person, **fields)
        return self.person

    def issued_tokens(self) -> list[str]:
        """Every access token given out, to be looked for where it must not be."""
        return list(self._tokens)

    def answer(self, request: Received) -> Reply:
        """Routes to the endpoint asked for."""
        if (request.method, request.path) == ("GET", self.authorize_path):
            return self._authorize(request)
        if (request.method, request.path) == ("POST", self.token_path):
            return self._token(request)
        grant = self._tokens.get(request.header("Authorization").partition(" ")[2])
        return self.resource(request, grant)

    def resource(self, request: Received, grant: Grant | None) -> Reply:
        """Everything behind an access token; `grant` is None when the token is unknown or missing."""
        raise NotImplementedError

    def token_reply(self, grant: Grant, token: str) -> Reply:
        """The successful answer of the token endpoint."""
        raise NotImplementedError

    def token_refusal(self, code: str) -> Reply:
        """The answer of the token endpoint to a request that it refuses."""
        raise NotImplementedError

    def _authorize(self, request: Received) -> Reply:
        asked = request.query
        redirect_uri = asked.get("redirect_uri", "")
        # Neither fault may redirect: the address itself is not trusted (RFC 6749 §4.1.2.1).
        if asked.get("client_id") != self.client_id:
            return Reply(401, b"Error 401: invalid_client")
        if redirect_uri not in self.redirect_uris:
            return Reply(400, f"Error 400: redirect_uri_mismatch {redirect_uri}".encode())
        if asked.get("response_type", "code") != "code":
            return Reply(400, b"Error 400: unsupported_response_type")
        state = {"state": asked["state"]} if "state" in asked else {}
        if self.refuses:
            return self._back(
                redirect_uri,
                {"error": "access_denied", "error_description": self.denial} | state,
            )
        if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
            return self._back(redirect_uri, {"error": "invalid_request"} | state)
        code = f"4/{secrets.token_urlsafe(24)}"
        self._grants[code] = Grant(
            self.person,
            redirect_uri,
            asked.get("code_challenge", ""),
            asked.get("scope", ""),
        )
        return self._back(redirect_uri, {"code": code, "scope": asked.get("scope", "")} | state)

    def _back(self, redirect_uri: str, parameters: dict[str, str]) -> Reply:
        return Reply(302, headers={"Location": f"{redirect_uri}?{urlencode(parameters)}"})

    def _token(self, request: Received) -> Reply:
        if self.token_fault == "down":
            return Reply(503, b"Service Unavailable", {"Content-Type": "text/plain"})
        if self.token_fault == "garbage":
            return Reply(200, b"<html>", {"Content-Type": "text/html"})
        sent = request.form
        if (sent.get("client_id"), sent.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            return self.token_refusal("invalid_client")
        grant = self._grants.pop(sent.get("code", ""), None)
        if self.token_fault == "error" or grant is None or grant.redirect_uri != sent.get("redirect_uri"):
            return self.token_refusal("invalid_grant")
        if grant.challenge and grant.challenge != _s256(sent.get("code_verifier", "")):
            return self.token_refusal("invalid_grant")
        token = secrets.token_urlsafe(32)
        self._tokens[token] = grant
        return self.token_reply(grant, token)


class Google(OAuthServer):
    """Google's OAuth 2 and OpenID Connect endpoints, with an ID token signed by a key that `/oauth2/v1/certs` shows."""

    authorize_path = "/o/oauth2/v2/auth"
    token_path = "/token"
    denial = "The user denied access."

    def __init__(self, *redirect_uris: str) -> None:
        super().__init__(*redirect_uris)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._certificate = _certificate(self._key)

    @property
    def settings(self) -> dict[str, Any]:
        """allauth's settings for the provider `google` that point here."""
        return {
            "AUTHORIZE_URL": f"{self.url}{self.authorize_path}",
            "ACCESS_TOKEN_URL": f"{self.url}{self.token_path}",
            "IDENTITY_URL": f"{self.url}/oauth2/v2/userinfo",
            "CERTS_URL": f"{self.url}/oauth2/v1/certs",
            "ID_TOKEN_ISSUER": GOOGLE_ISSUER,
        }

    def token_reply(self, grant: Grant, token: str) -> Reply:
        """An access token and an ID token."""
        scope = {
            "access_token": token,
            "expires_in": 3599,
            "scope": grant.scope,
            "token_type": "Bearer",
        }
        return json_reply(scope | {"id_token": self._id_token(grant)}, Cache_Control="no-store")

    def token_refusal(self, code: str) -> Reply:
        """401 for the client, 400 for the code."""
        error = {
            "error": code,
            "error_description": "Unauthorized" if code == "invalid_client" else "Bad Request",
        }
        return json_reply(error, 401 if code == "invalid_client" else 400)

    def resource(self, request: Received, grant: Grant | None) -> Reply:
        """The certificates and the person."""
        if request.path == "/oauth2/v1/certs":
            return json_reply({KEY_ID: self._certificate})
        if request.path != "/oauth2/v2/userinfo":
            return Reply(404)
        if grant is None:
            return json_reply({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, 401)
        person = grant.person
        first, _, last = person.name.partition(" ")
        return json_reply(
            {
                "id": person.subject,
                "email": person.email,
                "verified_email": person.verified,
                "name": person.name,
                "given_name": first,
                "family_name": last,
                "picture": person.picture,
            }
        )

    def _id_token(self, grant: Grant) -> str:
        person, now = grant.person, int(time.time())
        first, _, last = person.name.partition(" ")
        claims = {
            "iss": GOOGLE_ISSUER,
            "aud": self.client_id,
            "azp": self.client_id,
            "sub": person.subject,
            "email": person.email,
            "email_verified": person.verified,
            "name": person.name,
            "given_name": first,
            "family_name": last,
            "picture": person.picture,
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})


class GitHub(OAuthServer):
    """GitHub's web application flow and the two calls about the person, at the paths of GitHub Enterprise."""

    authorize_path = "/login/oauth/authorize"
    token_path = "/login/oauth/access_token"
    denial = "The user has denied your application access."

    @property
    def settings(self) -> dict[str, Any]:
        """allauth's settings for the provider `github` that point here."""
        return {"GITHUB_URL": self.url}

    def token_reply(self, grant: Grant, token: str) -> Reply:
        """A form unless JSON is asked for, which is GitHub's habit."""
        return self._form({"access_token": f"{token}", "scope": grant.scope, "token_type": "bearer"})

    def token_refusal(self, code: str) -> Reply:
        """GitHub refuses with status 200."""
        name = "incorrect_client_credentials" if code == "invalid_client" else "bad_verification_code"
        return self._form(
            {
                "error": name,
                "error_description": "The code passed is incorrect or expired.",
            }
        )

    def resource(self, request: Received, grant: Grant | None) -> Reply:
        """The person and, with the scope `user:email`, the addresses."""
        if grant is None:
            return json_reply({"message": "Bad credentials", "status": "401"}, 401)
        person = grant.person
        if request.path == "/api/v3/user":
            return json_reply(
                {
                    "login": person.login,
                    "id": int(person.subject),
                    "type": "User",
                    "name": person.name,
                    # Null unless the person made it public.
                    "email": None,
                    "avatar_url": person.picture,
                    "html_url": f"https://github.com/{person.login}",
                }
            )
        if request.path == "/api/v3/user/emails":
            if "user:email" not in grant.scope:
                return json_reply({"message": "Not Found", "status": "404"}, 404)
            primary = {
                "email": person.email,
                "primary": True,
                "verified": person.verified,
                "visibility": "private",
            }
            others = [
                {
                    "email": email,
                    "primary": False,
                    "verified": verified,
                    "visibility": None,
                }
                for email, verified in person.more_emails
            ]
            return json_reply([*others, primary])
        return json_reply({"message": "Not Found", "status": "404"}, 404)

    def _form(self, fields: dict[str, str]) -> Reply:
        return Reply(
            200,
            urlencode(fields).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.local")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
