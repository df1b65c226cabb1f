"""Refusals and faults are pages of the product, whatever is broken, and the envelope under /api."""

import json

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connections, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from procrastinate.exceptions import ConnectorException

from accounts.models import User
from tests.conftest import signed_in
from wavelength.refusals import is_database_away, server_error, too_many_requests

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


class UnreachableError(OperationalError):
    """What psycopg says of a server that is gone, with an address nobody should read."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__("connection failed: canary-host:5432")


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnreachableError

    for way in ("call", "cursor", "set_autocommit"):
        monkeypatch.setattr(connections["default"], way, refuse)


def test_it_says_how_long_to_wait(anonymous: Client) -> None:
    request = RequestFactory().get("/keys/")
    response = too_many_requests(request, 240)

    assert (response.status_code, response["Retry-After"]) == (429, "240")
    assert b"try again in 4 minutes" in response.content


def test_it_is_an_envelope_under_api() -> None:
    response = too_many_requests(RequestFactory().get("/api/profile"), 9)

    assert (response.status_code, response["Retry-After"]) == (429, "9")
    assert json.loads(response.content)["code"] == "too_many_requests"


def test_signing_in_too_often_is_that_page(anonymous: Client) -> None:
    answers = [anonymous.post(reverse("account_reset_password"), {"email": f"a{n}@example.com"}) for n in range(25)]

    last = answers[-1]
    assert last.status_code == 429
    assert b"That was a little too often" in last.content
    assert int(last["Retry-After"]) > 0


def test_signing_in_again_halfway_ends_on_a_page(alice: User, anonymous: Client) -> None:
    """What was sent without a session leads to signing in, and from there to an address that only takes forms."""
    sent = anonymous.post(reverse("chats:deletion"), {"chat": "1"})
    assert sent["Location"].startswith(reverse("account_login"))
    client = signed_in(alice)
    page = client.get(reverse("chats:deletion"))

    assert (page.status_code, page["Allow"]) == (405, "POST")
    assert b"Nothing was changed: go back and press the button once more." in page.content
    assert client.put(reverse("chats:deletion")).content == b""


@pytest.mark.parametrize("path", ["/", "/keys/", "/nothing/"])
def test_without_a_database_there_is_still_a_page(path: str, as_alice: Client, no_database: None) -> None:
    as_alice.raise_request_exception = False
    response = as_alice.get(path)

    assert (response.status_code, response["Retry-After"]) == (503, "15")
    assert b"Nothing is lost" in response.content
    assert b"canary" not in response.content
    assert "no-store" in response["Cache-Control"]


def test_without_a_database_the_api_keeps_its_envelope(as_alice: Client, no_database: None) -> None:
    as_alice.raise_request_exception = False
    response = as_alice.get("/api/profile")

    assert (response.status_code, response["Retry-After"]) == (503, "15")
    assert response.json()["success"] is False
    assert b"canary" not in response.content


def test_a_database_that_takes_no_writes_is_away(as_alice: Client) -> None:
    as_alice.raise_request_exception = False
    with connections["default"].cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        response = as_alice.post("/api/profile/usage", {"provider": "openai", "model": "m"}, "application/json")
    connections["default"].close()

    assert (response.status_code, response["Retry-After"]) == (503, "15")
    assert response.json()["code"] == "unavailable"


def test_a_fault_while_there_is_no_database_is_a_page_too(no_database: None) -> None:
    request = HttpRequest()
    try:
        raise KeyError("canary-in-a-traceback")
    except KeyError:
        response = server_error(request)

    assert response.status_code == 500
    assert b"Something went wrong on our side" in response.content
    assert b"canary" not in response.content


@pytest.mark.parametrize(
    ("statement", "away"),
    [
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)", True),
        ("DO $$ BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'no space left'; END $$", True),
        ("DO $$ BEGIN RAISE SQLSTATE '53300' USING MESSAGE = 'too many clients'; END $$", True),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01' USING MESSAGE = 'shutting down'; END $$", True),
        ("SELECT 1 / 0", False),
        ("SELECT nothing", False),
    ],
)
def test_only_what_passes_by_itself_is_away(statement: str, away: bool) -> None:
    with pytest.raises(DatabaseError) as raised, transaction.atomic(using="owner"):
        connections["owner"].cursor().execute(statement)

    assert is_database_away(raised.value) is away


def test_what_a_queue_makes_of_it_is_away_too() -> None:
    try:
        raise ConnectorException from psycopg.OperationalError("the connection is lost")
    except ConnectorException as error:
        assert is_database_away(error)
    assert not is_database_away(ConnectorException())
    assert not is_database_away(None)


def test_a_request_that_cannot_be_read_is_a_page(anonymous: Client) -> None:
    response = anonymous.get("/", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    assert b"We could not read that request" in response.content


def test_the_offline_page_is_the_same_for_everybody(alice: object, as_alice: Client, anonymous: Client) -> None:
    pages = {client.get("/offline/").content for client in (as_alice, anonymous)}

    assert len(pages) == 1
    assert b"You are offline" in pages.pop()


def test_the_worker_names_what_the_page_needs(anonymous: Client) -> None:
    response = anonymous.get("/service-worker.js")

    assert response["Content-Type"].startswith("text/javascript")
    text = response.content.decode()
    assert text.count('"/static/') >= 8 and '"/offline/"' in text
    assert "&quot;" not in text and "&amp;" not in text
