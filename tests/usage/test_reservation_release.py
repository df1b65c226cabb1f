"""DELETE /api/usage/reservations/<id>: what was set aside comes back."""

from uuid import uuid4

from django.test import Client

from accounts.models import User
from tests.usage.calling import EXAMPLE, NOT_FOUND, NOT_SIGNED_IN, daily, send
from tests.usage.test_reservation_settle import URL, counted, hold, state


def test_it_works(as_alice: Client, alice: User) -> None:
    address = hold(as_alice)
    assert daily(alice).reserved_tokens == 1000
    for _ in range(2):
        answer = send(as_alice, "DELETE", address)
        assert answer.status_code == 200
        assert answer.json() == {"success": True, "data": None, "message": "The reservation was released."}
    assert (state(alice), daily(alice).reserved_requests, daily(alice).reserved_tokens) == ("released", 0, 0)


def test_once_settled_it_is_refused(as_alice: Client, alice: User) -> None:
    address = hold(as_alice)
    send(as_alice, "PUT", address, EXAMPLE)
    refused = send(as_alice, "DELETE", address)
    assert (refused.status_code, refused.json()["code"]) == (409, "reservation_settled")
    assert (state(alice), counted(alice)) == ("settled", 1)


def test_anothers_is_nobodys(as_alice: Client, as_bob: Client, alice: User) -> None:
    for unknown in (hold(as_alice), f"{URL}/{uuid4()}", f"{URL}/x"):
        refused = send(as_bob, "DELETE", unknown)
        assert (refused.status_code, refused.json()) == (404, NOT_FOUND)
    assert (state(alice), daily(alice).reserved_requests) == ("open", 1)


def test_who_and_how_else(as_alice: Client, anonymous: Client, alice: User) -> None:
    address = hold(as_alice)
    signed_out = send(anonymous, "DELETE", address)
    assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    assert send(as_alice, "DELETE", address, Origin="https://evil.example.com").status_code == 403
    assert state(alice) == "open"
