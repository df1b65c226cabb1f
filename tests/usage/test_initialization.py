"""GET and POST /api/usage/init: every account has its tier's quotas, whatever the caller says of the tier."""

from typing import Any

from django.test import Client

from accounts.models import Tier, User
from tests.usage.calling import EXAMPLE, NOT_SIGNED_IN, counted_key, narrow, post, send
from usage.models import Period, QuotaLimit
from usage.quotas import quotas_of
from wavelength.tenancy import tenant

URL = "/api/usage/init"


def rows(person: User) -> list[Any]:
    with tenant(person.pk):
        return list(QuotaLimit.objects.order_by("pk").values())


def test_an_account_has_them_from_its_creation(as_alice: Client, alice: User) -> None:
    narrow(alice, "openai", request_limit=5)
    counted_key(alice)
    answer = as_alice.get(URL)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "data": {"needsInitialization": False, "currentQuotaCount": 3, "userTier": "free", "userId": str(alice.pk)},
    }
    before = rows(alice)
    answer = post(as_alice, URL, {"tier": "pro"})
    assert (answer.status_code, answer.json()["message"]) == (200, "Your quotas were there already.")
    assert (answer.json()["data"]["tier"], len(answer.json()["data"]["quotaLimits"])) == ("free", 3)
    assert rows(alice) == before


def test_where_they_are_missing_they_are_made(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    post(as_alice, "/api/profile/usage", EXAMPLE)
    for person in (alice, bob):
        User.objects.filter(pk=person.pk).update(tier=Tier.PRO)
        with tenant(person.pk):
            QuotaLimit.objects.filter(period=Period.DAILY).delete()
    assert as_alice.get(URL).json()["data"] == {
        "needsInitialization": True, "currentQuotaCount": 1, "userTier": "pro", "userId": str(alice.pk),
    }  # fmt: skip
    answer = post(as_alice, URL, {"tier": "free"}).json()
    assert (answer["data"]["tier"], answer["message"]) == ("pro", "Your quotas are set.")
    day = answer["data"]["quotaLimits"][0]
    # What was used before is in the new window.
    assert (day["type"], day["requestLimit"], day["costLimit"], day["usedRequests"]) == ("daily", 5000, 50, 1)
    assert as_alice.get(URL).json()["data"]["needsInitialization"] is False
    assert as_bob.get(URL).json()["data"]["needsInitialization"] is True
    assert len(quotas_of(user_id=bob.pk)) == 1


def test_without_a_body(as_alice: Client) -> None:
    assert send(as_alice, "POST", URL).json()["data"]["tier"] == "free"


def test_who_and_how_else(as_alice: Client, anonymous: Client, alice: User) -> None:
    with tenant(alice.pk):
        QuotaLimit.objects.all().delete()
    for method in ("GET", "POST"):
        signed_out = send(anonymous, method, URL)
        assert (signed_out.status_code, signed_out.json()) == (401, NOT_SIGNED_IN)
    for method in ("PUT", "PATCH", "DELETE"):
        assert send(as_alice, method, URL, {}).status_code == 405
    assert post(as_alice, URL, {}, Origin="https://evil.example.com").status_code == 403
    assert rows(alice) == []
