"""GET /api/migration/status."""

import pytest
from django.test import Client

from tests import samples
from tests.chats.payloads import chat, hand_over, message, payload, synchronise
from tests.samples import RICH

ADDRESSES = ["/api/migration/status", "/api/migration"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_works(as_alice: Client, address: str) -> None:
    hand_over(as_alice, samples.payload("rich"))

    response = as_alice.get(address)

    assert response.status_code == 200
    data = response.json()["data"]
    assert data["hasMigrated"] is True
    assert data["migratedAt"].endswith("Z")
    assert data["anonymousIds"] == ["anon-rich-0001"]
    assert data["stats"] == {"totalChats": RICH.chats, "totalMessages": RICH.messages, "totalApiKeys": RICH.keys}


@pytest.mark.parametrize("address", ADDRESSES)
def test_before_any_hand_over(as_bob: Client, as_alice: Client, address: str) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1"))))

    assert as_bob.get(address).json() == {
        "success": True,
        "data": {
            "hasMigrated": False,
            "migratedAt": None,
            "anonymousIds": [],
            "stats": {"totalChats": 0, "totalMessages": 0, "totalApiKeys": 0},
        },
    }


def test_sync_is_no_hand_over(as_alice: Client) -> None:
    synchronise(as_alice, chat("c1", message("m1")))

    data = as_alice.get("/api/migration/status").json()["data"]
    assert data["hasMigrated"] is False
    assert data["stats"]["totalMessages"] == 1


def test_deleted_chats_do_not_count(as_alice: Client) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1")), chat("c2", message("m2"), message("m3"))))
    as_alice.delete("/api/chats/c1")

    stats = as_alice.get("/api/migration/status").json()["data"]["stats"]
    assert (stats["totalChats"], stats["totalMessages"]) == (1, 2)


def test_signed_out(anonymous: Client, db: None) -> None:
    assert anonymous.get("/api/migration/status").status_code == 401


def test_wrong_method(as_alice: Client) -> None:
    assert as_alice.delete("/api/migration/status").status_code == 405
