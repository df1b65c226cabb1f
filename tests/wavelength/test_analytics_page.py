"""The analytics in the admin: what people did through the real calls, counted by the job, as the page shows it."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.chats.payloads import chat, hand_over, message, payload
from tests.conftest import signed_in
from tests.usage.calling import EXAMPLE, allow, post
from wavelength import collecting, tallies
from wavelength.analytics import PERIODS, analytics_of
from wavelength.models import SystemMetric

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

PAGE = "/admin/analytics/"


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    tallies._seen.clear()
    tallies._kept.clear()
    yield
    tallies._seen.clear()
    tallies._kept.clear()


def shown(client: Client, period: str = "24h") -> str:
    response = client.get(PAGE, {"period": period})
    assert response.status_code == 200
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split()))


def row(page: str, *cells: str) -> bool:
    return " ".join(cells) in page


def measure(name: str, label: str, value: Any, hours_ago: int = 0) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    SystemMetric.objects.create(name=name, label=label, hour=hour, value=value)


def test_it_shows_what_people_did(as_olga: Client, alice: User, bob: User) -> None:
    as_alice, as_bob = signed_in(alice), signed_in(bob)
    assert hand_over(as_alice, payload(chat("c1", message("m1")))).status_code == 200
    assert hand_over(as_bob, b"no JSON").status_code == 400
    key = {"provider": "openai", "apiKey": "sk-proj-0f3a5b7c9d1e2f4a6b8c"}
    assert post(as_alice, "/api/profile/api-keys", key).status_code in (200, 201)
    used = EXAMPLE | {"model": "gpt-4o", "inputTokens": 1_000_000, "outputTokens": 0}
    for client in (as_alice, as_bob):
        assert post(client, "/api/profile/usage", used).status_code in (200, 201)
    allow(bob, request_limit=0)
    reservation = {"provider": "openai", "model": "gpt-4o", "estimatedTokens": 10}
    assert post(as_bob, "/api/usage/reservations", reservation).status_code == 429
    tallies.flush()
    collecting.collect()

    page = shown(as_olga)
    assert row(page, "Registrations", "3")
    assert row(page, "Requests to models", "2")
    assert row(page, "Cost of models", "$5.00")
    assert row(page, "Hand-overs that succeeded", "50.0%", "1 of 2 tried")
    assert row(page, "Refused by quotas", "1")
    assert row(page, "openai", "gpt-4o", "2", "2,000,000", "$5.00")
    assert row(page, "key.added", "1")
    assert row(page, "not JSON", "1")
    assert row(page, "/api/migration", "2")
    assert "usage_usagerecord" in page


def test_nobody_stands_in_it(as_olga: Client, alice: User, bob: User) -> None:
    hand_over(signed_in(alice), payload(chat("c1", message("m1"), title="Alices secret")))
    post(signed_in(bob), "/api/profile/usage", EXAMPLE | {"model": "bob@example.com"})
    tallies.flush()
    collecting.collect()
    page = as_olga.get(PAGE, {"period": "24h"}).content.decode()
    assert "unlisted" in page
    for personal in (alice.email, bob.email, str(alice.pk), str(bob.pk), "Alices secret", "alice", "bob"):
        assert personal not in page


def test_every_period_asks_the_same_few_questions(as_olga: Client) -> None:
    counts = set()
    for period in PERIODS:
        for hours_ago in range(0, 24 * 60, 7):
            for label in (period.name, f"{period.name}-{hours_ago}"):
                measure("usage.requests", f"openai/{label}", 1, hours_ago)
        with CaptureQueriesContext(connections["operator"]) as queries:
            shown(as_olga, period.name)
        asked = [query["sql"] for query in queries.captured_queries]
        assert all("wavelength_systemmetric" in sql for sql in asked)
        counts.add(len(asked))
    assert counts == {4}


def test_an_unknown_period_is_a_week(as_olga: Client) -> None:
    for wanted in ("", "1y", "<script>"):
        response = as_olga.get(PAGE, {"period": wanted})
        assert (response.status_code, b'aria-current="page">7 days' in response.content) == (200, True)


@pytest.mark.parametrize("period", PERIODS)
def test_what_stands_on_the_edge_of_a_period(period: Any, alice: User) -> None:
    now = datetime(2026, 11, 25, 13, 37, tzinfo=UTC)
    first = period.starts(now)[0]
    for hour, value in ((first - timedelta(hours=1), 100), (first, 5), (now.replace(minute=0), 7)):
        SystemMetric.objects.create(name="registrations", label="signup", hour=hour, value=value)
    chart = analytics_of(period, now).charts[0]
    assert (chart.title, chart.total, [line.total for line in chart.rows]) == (
        "Registrations",
        Decimal(12),
        [Decimal(7), Decimal(5)],
    )
    assert len(period.starts(now)) == period.slots


def test_the_smaller_ones_are_others() -> None:
    for number in range(8):
        measure("usage.requests", f"p{number}/m", 10 - number)
    [chart] = [it for it in analytics_of(PERIODS[0], datetime.now(UTC)).charts if it.title == "Requests to models"]
    assert [layer.label for layer in chart.layers] == ["p0", "p1", "p2", "p3", "p4", "others"]
    assert chart.layers[-1].total == 5 + 4 + 3
    assert chart.rows[0].total == Decimal(52)


def test_a_cohort_is_told_in_shares() -> None:
    now = datetime(2026, 11, 25, 13, tzinfo=UTC)  # a Wednesday
    week = datetime(2026, 11, 9, tzinfo=UTC)
    for name, label, value in (("cohort.size", "", 8), ("cohort.active", "00", 6), ("cohort.active", "01", 0)):
        SystemMetric.objects.create(name=name, label=label, hour=week, value=value)
    [cohort] = analytics_of(PERIODS[1], now).cohorts
    assert (cohort.week, cohort.size) == (week, 8)
    shares = [share.percent if share else None for share in cohort.shares[:3]]
    assert shares == [75, 0, None]


def test_it_says_when_nobody_counts(as_olga: Client) -> None:
    assert "Nothing has been counted yet" in shown(as_olga)
    measure("collected", "", 1, hours_ago=5)
    assert "is the worker running?" in shown(as_olga)
    measure("collected", "", 1)
    assert "Whole hours are counted until" in shown(as_olga)


def test_the_index_leads_there(as_olga: Client) -> None:
    assert f'href="{PAGE}"' in as_olga.get("/admin/").content.decode()


def test_only_administrators_see_it(alice: User, anonymous: Client) -> None:
    assert signed_in(alice).get(PAGE, follow=True).status_code == 403
    assert anonymous.get(PAGE)["Location"].startswith("/admin/login/")


def test_another_method_is_refused(as_olga: Client) -> None:
    assert as_olga.post(PAGE).status_code == 405
