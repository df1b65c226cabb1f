"""Every failure under /api has the one shape, wherever it arises."""

from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User

pytestmark = pytest.mark.django_db

JSON = "application/json"


def assert_failure(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == JSON
    answer = orjson.loads(response.content)
    assert answer.keys() - {"details"} == {"success", "error", "code"}
    assert (answer["success"], answer["code"]) == (False, code)
    assert answer["error"][0].isupper() or answer["details"]
    assert answer["error"].endswith(".")
    for fault in answer.get("details", []):
        assert fault.keys() == {"path", "message"}
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "Location" not in response


@pytest.mark.parametrize(
    "path",
    [
        "/api", "/api/", "/api/nothing", "/api/profile/", "/api/profile/nothing", "/api//profile", "/api/profile//",
        "/api/%00", "/api/profile%0a", "/api/chats/", "/api/../admin/", "/api/profile/api-keys/not-a-uuid",
        "/api/profile/api-keys/", "/api/models", "/api/é", "/api/auth", "/api/auth/nothing",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_addresses_are_404_and_never_redirect(as_alice: Client, path: str, method: str) -> None:
    response = as_alice.generic(method, path)
    assert response.status_code in (404, 405), path
    answer = orjson.loads(response.content)
    assert (answer["success"], answer["code"]) in [(False, "not_found"), (False, "method_not_allowed")]


def test_signed_out_is_401(anonymous: Client) -> None:
    for path in ("/api/profile", "/api/profile/api-keys", "/api/chats", "/api/migration/status"):
        assert_failure(anonymous.get(path), 401, "not_signed_in")
    assert_failure(anonymous.put("/api/profile", {}, content_type=JSON), 401, "not_signed_in")


@pytest.mark.parametrize("method", ["POST", "PATCH", "TRACE", "PROPFIND"])
def test_another_method_is_405_and_names_those_that_are(as_alice: Client, method: str) -> None:
    response = as_alice.generic(method, "/api/profile")
    assert_failure(response, 405, "method_not_allowed")
    assert {"GET", "PUT", "DELETE"} <= set(response["Allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", ""],
)
def test_a_body_of_another_kind_is_415(as_alice: Client, kind: str) -> None:
    assert_failure(
        as_alice.generic("PUT", "/api/profile", b'{"bio": "x"}', content_type=kind), 415, "unsupported_media_type"
    )


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_by_any_spelling_is_taken(as_alice: Client, kind: str) -> None:
    assert as_alice.generic("PUT", "/api/profile", b'{"bio": "x"}', content_type=kind).status_code == 200


def test_no_body_needs_no_kind(as_alice: Client) -> None:
    assert as_alice.generic("DELETE", "/api/profile/avatar", content_type="").status_code == 200


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"bio": NaN}', b'{"bio": "\\u0000"}', b'{"bio": "\\udc00"}', b"[" * 10_000, b"[]"]
)
def test_what_is_no_json_object_is_400(as_alice: Client, body: bytes) -> None:
    assert_failure(as_alice.put("/api/profile", body, content_type=JSON), 400, "malformed_json")


def test_a_bad_field_is_400_with_its_path(as_alice: Client) -> None:
    response = as_alice.put("/api/profile", {"theme": "x"}, content_type=JSON)
    assert_failure(response, 400, "invalid_request")
    assert response.json()["details"][0]["path"] == ["theme"]


def test_what_is_too_large_is_413_before_it_is_read(as_alice: Client, anonymous: Client) -> None:
    body = b'{"bio": "' + b"x" * 3 * 1024 * 1024 + b'"}'
    for client in (as_alice, anonymous):
        with CaptureQueriesContext(connection) as queries:
            assert_failure(client.put("/api/profile", body, content_type=JSON), 413, "body_too_large")
        assert not queries.captured_queries


@pytest.mark.parametrize("length", ["x", "-", "1e3"])
def test_a_length_that_is_no_number_is_400(as_alice: Client, length: str) -> None:
    response = as_alice.generic("PUT", "/api/profile", b"{}", content_type=JSON, CONTENT_LENGTH=length)
    assert_failure(response, 400, "bad_request")


@pytest.mark.parametrize("host", ["evil.example.com", "testserver.evil.example.com", "a b", "testserver:x"])
def test_a_bad_host_is_400(as_alice: Client, host: str) -> None:
    assert_failure(as_alice.get("/api/profile", HTTP_HOST=host), 400, "bad_request")


def test_a_bad_host_is_400_after_a_good_one_too(as_alice: Client) -> None:
    for host, status in (
        ("testserver", 200),
        ("evil.example.com", 400),
        ("evil.example.com", 400),
        ("testserver", 200),
    ):
        assert as_alice.get("/api/profile", HTTP_HOST=host).status_code == status


def test_answers_over_https_ask_browsers_to_stay_with_it(settings: Settings, alice: User) -> None:
    settings.SECURE_HSTS_SECONDS = 3600
    for path in ("/api/profile", "/api/nowhere", "/accounts/login/"):
        assert Client().get(path, secure=True)["Strict-Transport-Security"] == "max-age=3600", path
        assert "Strict-Transport-Security" not in Client().get(path), path


def test_plain_http_is_refused_where_https_is_served(settings: Settings, alice: User) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert_failure(Client().get("/api/profile"), 403, "https_required")
    assert Client().get("/accounts/login/").status_code == 301


def test_a_crash_in_an_operation_tells_nothing(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: object) -> None:
        raise RuntimeError("canary-detail")

    monkeypatch.setattr("wavelength.api.ask_as_session", crash)
    as_alice.raise_request_exception = False
    response = as_alice.get("/api/profile")
    assert_failure(response, 500, "internal_error")
    assert b"canary" not in response.content


def test_a_crash_before_any_operation_tells_nothing(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: object) -> None:
        raise RuntimeError("canary-detail")

    monkeypatch.setattr("accounts.sessions.SessionStore._get_session_from_db", crash)
    as_alice.raise_request_exception = False
    for path in ("/api/profile/api-keys", "/api/auth/session"):
        response = as_alice.get(path)
        assert (response.status_code, response.json()["code"]) == (500, "internal_error")
        assert b"canary" not in response.content


def test_every_failure_can_be_read_by_a_listed_origin(
    as_alice: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = {"Origin": "https://chat.example.com", "Sec-Fetch-Site": "cross-site"}
    big = b"x" * 3 * 1024 * 1024
    answers = {
        401: anonymous.get("/api/profile", headers=origin),
        404: as_alice.get("/api/nothing", headers=origin),
        405: as_alice.patch("/api/profile", headers=origin),
        400: as_alice.put("/api/profile", b"{", content_type=JSON, headers=origin),
        413: as_alice.put("/api/profile", big, content_type=JSON, headers=origin),
        415: as_alice.put("/api/profile", b"x", content_type="text/plain", headers=origin),
    }
    for status, response in answers.items():
        assert response.status_code == status
        assert response["Access-Control-Allow-Origin"] == "https://chat.example.com"
        assert response["Access-Control-Allow-Credentials"] == "true"


def test_the_documentation_works_under_its_policy(anonymous: Client) -> None:
    page = anonymous.get("/api/docs")
    assert page.status_code == 200
    html = page.content.decode()
    assert "https://" not in html, "nothing comes from elsewhere"
    assert "<script>" not in html, "nothing inline"
    assert "style=" not in html
    assert "script-src 'self'" in page["Content-Security-Policy"]
    for address in (
        "/static/ninja/swagger-ui.css",
        "/static/ninja/swagger-ui-bundle.js",
        "/static/ninja/swagger-ui-init.js",
    ):
        assert address in html
        assert anonymous.get(address).status_code == 200
    paths = anonymous.get("/api/openapi.json").json()["paths"]
    assert {"get", "put", "delete"} == set(paths["/api/profile"])
