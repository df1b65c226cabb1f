"""GET and PUT /api/usage/sync: what was counted last, and windows that wait to be opened."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from accounts.models import User
from tests.usage.calling import EXAMPLE, NOT_SIGNED_IN, counted_key, narrow, post, send
from usage import metering
from usage.models import QuotaWindow, Source
from usage.quotas import quotas_of
from wavelength.contract import iso
from wavelength.tenancy import tenant

URL = "/api/usage/sync"
NOTHING = {"recentSyncs": [], "expiredQuotasCount": 0, "needsQuotaReset": False, "lastSyncTime": None}


def show(client: Client) -> Any:
    answer = client.get(URL)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def windows(person: User) -> list[Any]:
    with tenant(person.pk):
        return list(QuotaWindow.objects.order_by("pk").values())


def end_windows(person: User) -> None:
    """As if these had been the windows of the day before yesterday."""
    quotas_of(user_id=person.pk)
    with tenant(person.pk):
        now = datetime.now(UTC)
        QuotaWindow.objects.update(starts_at=now - timedelta(days=70), ends_at=now - timedelta(days=40))


def test_it_works(as_alice: Client, alice: User) -> None:
    assert show(as_alice) == NOTHING
    record = post(as_alice, "/api/profile/usage", EXAMPLE | {"cost": 1e-9}).json()["data"]
    expected = {
        "provider": "openai", "model": "made-up", "date": record["date"], "hour": record["hour"], "requests": 1,
        "tokens": 450, "cost": 1e-9, "lastUpdated": record["updatedAt"],
    }  # fmt: skip
    assert show(as_alice) == NOTHING | {"recentSyncs": [expected], "lastSyncTime": record["updatedAt"]}


def test_the_latest_twenty_of_the_client(as_alice: Client, as_bob: Client, alice: User) -> None:
    for source in (Source.GATEWAY, Source.MIGRATION):
        metering.record_usage(user_id=alice.pk, provider="openai", model="elsewhere", source=source)
    now = datetime.now(UTC)
    for number in range(22):
        metering.record_usage(
            user_id=alice.pk, provider="openai", model=f"m{number:02}", happened_at=now - timedelta(days=number),
            at=now + timedelta(seconds=number),
        )  # fmt: skip
    recent = show(as_alice)["recentSyncs"]
    assert [one["model"] for one in recent] == [f"m{number:02}" for number in range(21, 1, -1)]
    assert show(as_alice)["lastSyncTime"] == recent[0]["lastUpdated"] == iso(now + timedelta(seconds=21))
    assert show(as_bob) == NOTHING


def test_windows_that_wait_are_opened(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    narrow(alice, "openai", request_limit=5)
    counted_key(alice, request_limit=5)
    for person in (alice, bob):
        end_windows(person)
    before = windows(alice)
    told = show(as_alice)
    assert (told["expiredQuotasCount"], told["needsQuotaReset"]) == (3, True)
    assert windows(alice) == before
    answer = send(as_alice, "PUT", URL)
    assert answer.status_code == 200
    ends = {(quota.period, quota.provider): iso(quota.ends_at) for quota in quotas_of(user_id=alice.pk)}
    assert answer.json()["data"] == {
        "resetCount": 3,
        "resets": [
            {"type": kind, "provider": provider, "model": None, "nextReset": ends[kind, provider or ""]}
            for kind, provider in (("daily", None), ("monthly", None), ("daily", "openai"))
        ],
    }
    assert show(as_alice)["needsQuotaReset"] is False
    assert send(as_alice, "PUT", URL).json()["data"] == {"resetCount": 0, "resets": []}
    assert show(as_bob)["expiredQuotasCount"] == 2


def test_a_new_account_waits_for_nothing(as_alice: Client, alice: User) -> None:
    assert windows(alice) == []
    assert send(as_alice, "PUT", URL).json()["data"] == {"resetCount": 0, "resets": []}


def test_who_and_how_else(as_alice: Client, anonymous: Client, alice: User) -> None:
    end_windows(alice)
    before = windows(alice)
    for method in ("GET", "PUT"):
        signed_out = send(anonymous, method, URL)
        assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    for method in ("PATCH", "DELETE"):
        assert send(as_alice, method, URL, {}).status_code == 405
    assert send(as_alice, "PUT", URL, {}, Origin="https://evil.example.com").status_code == 403
    assert windows(alice) == before
