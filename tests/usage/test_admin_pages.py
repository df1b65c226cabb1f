"""Limits, prices, access and usage in the admin, as wl_operator."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, Tier, User
from accounts.people import set_tier
from tests.conftest import make_person, signed_in
from usage import metering, quotas
from usage.models import ModelAccess, ModelPrice, Period, QuotaLimit, QuotaWindow, UsageRecord
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

PRICES, ACCESS, LIMITS, RECORDS, RESERVATIONS = (
    f"/admin/usage/{name}/" for name in ("modelprice", "modelaccess", "quotalimit", "usagerecord", "reservation")
)
PRICE = {"provider": "openai", "model": "gpt-4o", "input_price": "7", "output_price": "11", "request_price": "0"}


@pytest.fixture
def dora() -> User:
    return make_person("dora@example.com", "Dora")


def daily_limit(person: User) -> QuotaLimit:
    with tenant(person.pk):
        return QuotaLimit.objects.get(period=Period.DAILY, provider="", api_key_id=None)


def form(person: User, **changed: Any) -> dict[str, Any]:
    """The form of a person's daily limit, as its page sends it."""
    limit = daily_limit(person)
    with tenant(person.pk):
        windows = [str(pk) for pk in QuotaWindow.objects.filter(limit=limit).values_list("pk", flat=True)]
    sent = {name: getattr(limit, name) for name in ("request_limit", "token_limit", "cost_limit")} | changed
    return {
        **{name: "" if number is None else number for name, number in sent.items()},
        "windows-TOTAL_FORMS": len(windows),
        "windows-INITIAL_FORMS": len(windows),
    }


# Prices


def test_a_price_is_made_changed_and_taken_away(as_olga: Client, dora: User) -> None:
    def computed() -> Decimal:
        metering.record_usage(user_id=dora.pk, provider="openai", model="gpt-4o", input_tokens=1_000_000)
        with tenant(dora.pk):
            return UsageRecord.objects.get().computed_cost or Decimal(0)

    assert as_olga.post(f"{PRICES}add/", PRICE).status_code == 302
    assert computed() == 7
    price = ModelPrice.objects.get()
    assert as_olga.post(f"{PRICES}{price.pk}/change/", {**PRICE, "input_price": "0.25"}).status_code == 302
    assert computed() == Decimal("7.25")
    assert as_olga.post(f"{PRICES}{price.pk}/delete/", {"post": "yes"}).status_code == 302
    assert computed() == Decimal("9.75")
    assert list(LogEntry.objects.order_by("pk").values_list("action_flag", "object_id")) == [
        (flag, str(price.pk)) for flag in (1, 2, 3)
    ]


def test_the_listed_price_stands_beside(as_olga: Client) -> None:
    as_olga.post(f"{PRICES}add/", PRICE)
    as_olga.post(f"{PRICES}add/", {**PRICE, "model": "our-own"})
    page = as_olga.get(PRICES).content.decode()
    assert "input 2.5, output 10, reasoning 10, cached 1.25" in page
    assert ">unknown<" in page
    price = ModelPrice.objects.get(model="gpt-4o")
    assert "input 2.5, output 10" in as_olga.get(f"{PRICES}{price.pk}/change/").content.decode()


@pytest.mark.parametrize(
    "wrong",
    [{"input_price": "-1"}, {"input_price": ""}, {"cached_price": "-0.1"}, {"model": ""}, {"output_price": "NaN"}],
)
def test_a_price_that_cannot_be(as_olga: Client, wrong: dict[str, str]) -> None:
    assert as_olga.post(f"{PRICES}add/", {**PRICE, **wrong}).status_code == 200
    assert not ModelPrice.objects.exists()


def test_a_model_has_one_price(as_olga: Client) -> None:
    as_olga.post(f"{PRICES}add/", PRICE)
    assert as_olga.post(f"{PRICES}add/", PRICE).status_code == 200
    assert ModelPrice.objects.count() == 1


# Access


def test_access_is_made_changed_and_taken_away(as_olga: Client, dora: User) -> None:
    def refused() -> bool:
        return bool(metering.refusals_of(user_id=dora.pk, provider="openai", model="o3"))

    row = {"provider": "openai", "model": "", "tier": "pro"}
    assert as_olga.post(f"{ACCESS}add/", row).status_code == 302
    assert refused()
    access = ModelAccess.objects.get()
    assert as_olga.post(f"{ACCESS}{access.pk}/change/", {**row, "tier": "free"}).status_code == 302
    assert not refused()
    as_olga.post(f"{ACCESS}{access.pk}/change/", {**row, "model": "o3"})
    assert refused()
    assert as_olga.post(f"{ACCESS}{access.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not refused()
    assert LogEntry.objects.count() == 4


# Limits


def test_a_limit_is_changed_and_stays_when_the_tier_changes(as_olga: Client, dora: User) -> None:
    limit = daily_limit(dora)
    assert as_olga.post(f"{LIMITS}{limit.pk}/change/", form(dora, request_limit=7, cost_limit="")).status_code == 302
    changed = daily_limit(dora)
    assert (changed.request_limit, changed.token_limit, changed.cost_limit, changed.tier) == (7, 100_000, None, "")
    set_tier(user_id=dora.pk, tier=Tier.PRO)
    assert daily_limit(dora).request_limit == 7
    with tenant(dora.pk):
        details = AuditEvent.objects.get(kind="quota.set").details
    assert (details["period"], details["request_limit"], details["cost_limit"]) == ("daily", 7, None)
    assert LogEntry.objects.get().object_id == str(limit.pk)


def test_a_limit_left_as_it_is_stays_the_tiers(as_olga: Client, dora: User) -> None:
    assert as_olga.post(f"{LIMITS}{daily_limit(dora).pk}/change/", form(dora)).status_code == 302
    assert daily_limit(dora).tier == "free"
    with tenant(dora.pk):
        assert not AuditEvent.objects.filter(kind="quota.set").exists()


@pytest.mark.parametrize(
    "wrong", [{"request_limit": -1}, {"token_limit": 10**16}, {"cost_limit": "-0.01"}, {"cost_limit": "Infinity"}]
)
def test_a_limit_that_cannot_be(as_olga: Client, dora: User, wrong: dict[str, Any]) -> None:
    before = daily_limit(dora)
    assert as_olga.post(f"{LIMITS}{before.pk}/change/", form(dora, **wrong)).status_code == 200
    after = daily_limit(dora)
    assert [after.request_limit, after.token_limit, after.cost_limit, after.tier] == [500, 100_000, 5, "free"]


def test_a_limit_of_a_provider_is_not_emptied(as_olga: Client, dora: User) -> None:
    limit = quotas.set_quota(user_id=dora.pk, period=Period.DAILY, provider="openai", request_limit=3)
    empty = form(dora, request_limit="", token_limit="", cost_limit="") | dict.fromkeys(
        ("windows-TOTAL_FORMS", "windows-INITIAL_FORMS"), 0
    )
    response = as_olga.post(f"{LIMITS}{limit.pk}/change/", empty)
    assert "set_quota --remove" in response.content.decode()
    with tenant(dora.pk):
        assert QuotaLimit.objects.get(pk=limit.pk).request_limit == 3


def test_a_limit_shows_its_windows_and_changes_none(as_olga: Client, dora: User) -> None:
    metering.record_usage(user_id=dora.pk, provider="openai", model="gpt-4o", input_tokens=4321, cost=Decimal("1e-9"))
    limit = daily_limit(dora)
    page = as_olga.get(f"{LIMITS}{limit.pk}/change/").content.decode()
    assert "4321" in page
    assert "0.000000001" in page
    with tenant(dora.pk):
        window = QuotaWindow.objects.get(limit=limit)
    forged = form(dora, token_limit=5) | {"windows-0-id": window.pk, "windows-0-used_requests": 0}
    assert as_olga.post(f"{LIMITS}{limit.pk}/change/", forged).status_code == 302
    with tenant(dora.pk):
        assert QuotaWindow.objects.get(limit=limit).used_requests == 1


# Usage


def test_usage_is_listed(as_olga: Client, dora: User) -> None:
    metering.record_usage(user_id=dora.pk, provider="openai", model="gpt-4o", cost=Decimal("0.004"))
    metering.record_usage(user_id=dora.pk, provider="ours", model="local", input_tokens=7)
    long_ago = timezone.now() - timedelta(days=20)
    metering.record_usage(user_id=dora.pk, provider="xai", model="grok-4", happened_at=long_ago)

    def listed(query: str) -> set[str]:
        page = as_olga.get(f"{RECORDS}?{query}").content.decode()
        return {model for model in ("gpt-4o", "local", "grok-4") if f'field-model">{model}<' in page}

    assert listed("") == {"gpt-4o", "local"}
    assert listed("days=1") == {"gpt-4o", "local"}
    assert listed("days=31") == listed("days=all") == {"gpt-4o", "local", "grok-4"}
    assert listed("provider=openai") == {"gpt-4o"}
    assert listed("q=dora") == {"gpt-4o", "local"}
    assert listed("q=local") == {"local"}
    assert listed("q=olga") == set()
    assert listed("source=gateway") == set()
    page = as_olga.get(RECORDS).content.decode()
    assert 'field-total_dollars">0.004<' in page
    assert 'field-total_dollars">unknown<' in page


def test_lists_ask_as_much_of_many_as_of_one(as_olga: Client, dora: User) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connections["operator"]) as asked:
            assert as_olga.get(address).status_code == 200
        assert not any("COUNT(*)" in query["sql"] and "LIMIT 10000" not in query["sql"] for query in asked)
        return len(asked)

    metering.record_usage(user_id=dora.pk, provider="openai", model="gpt-4o")
    metering.reserve(user_id=dora.pk, provider="openai", model="gpt-4o", tokens=1)
    first = [queries(address) for address in (RECORDS, LIMITS, RESERVATIONS)]
    for n in range(5):
        person = make_person(f"person{n}@example.com", "Person")
        metering.record_usage(user_id=person.pk, provider="openai", model=f"gpt-{n}")
        metering.reserve(user_id=person.pk, provider="openai", model="gpt-4o", tokens=1)
    assert [queries(address) for address in (RECORDS, LIMITS, RESERVATIONS)] == first
    assert max(first) <= 6


def test_usage_and_reservations_are_only_read(as_olga: Client, dora: User) -> None:
    metering.record_usage(user_id=dora.pk, provider="openai", model="gpt-4o")
    held = metering.reserve(user_id=dora.pk, provider="openai", model="gpt-4o", tokens=1)
    with tenant(dora.pk):
        record = UsageRecord.objects.get()
    for address, pk in ((RECORDS, record.pk), (RESERVATIONS, held.id)):
        assert as_olga.get(f"{address}{pk}/change/").status_code == 200
        assert as_olga.post(f"{address}{pk}/change/", {"request_count": 0}).status_code == 403
        assert as_olga.post(f"{address}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert as_olga.post(f"{LIMITS}{daily_limit(dora).pk}/delete/", {"post": "yes"}).status_code == 403


def test_whoever_is_no_administrator_changes_nothing(dora: User) -> None:
    client = signed_in(dora)
    assert client.post(f"{PRICES}add/", PRICE).status_code in (302, 403)
    assert client.post(f"{LIMITS}{daily_limit(dora).pk}/change/", form(dora, request_limit=9)).status_code in (302, 403)
    assert not ModelPrice.objects.exists()
    assert daily_limit(dora).request_limit == 500
