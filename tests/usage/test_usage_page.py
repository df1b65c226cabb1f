"""The usage page, and what the overview shows of usage."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from tests.conftest import signed_in
from tests.usage.calling import counted_key, narrow
from usage import metering
from usage.metering import BatchRecord, Tokens
from usage.models import QuotaLimit, Source
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db

URL = "/usage/"


def used(person: User, *, days_ago: int = 0, source: Source = Source.CLIENT, **more: Any) -> None:
    given = {"provider": "openai", "model": "gpt-4o", "tokens": Tokens(150, 300), "cost": Decimal("0.004"), **more}
    record = BatchRecord(happened_at=datetime.now(UTC) - timedelta(days=days_ago), **given)
    metering.record_batch(user_id=person.pk, records=[record], source=source)


def shown(client: Client, url: str = URL, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_it_works(as_alice: Client, alice: User) -> None:
    used(alice)
    used(alice, provider="xai", model="x-ai/grok", cost=Decimal("1e-9"), source=Source.GATEWAY)
    page = shown(as_alice, period="today")
    assert '<data value="0.004000001" title="$0.004000001">$0.0040</data>' in page
    assert '<data value="0.000000001" title="$0.000000001">&lt;$0.000001</data>' in page
    assert '<dd class="stat-figure">2</dd>' in page
    assert '<data value="900" title="900">900</data>' in page
    assert 'title="x-ai/grok"><bdi>grok</bdi></a>' in page
    assert "Gateway" in page
    assert "2 of 500" in page
    assert "0.0000<" not in page


@pytest.mark.parametrize("period", ["", "today", "week", "month", "all"])
def test_every_period_is_a_link_and_a_page(as_alice: Client, alice: User, period: str) -> None:
    used(alice)
    page = shown(as_alice, period=period)
    assert page.count('aria-current="true"') == 1
    for other in ("today", "week", "all"):
        assert f'href="{URL}?period={other}"' in page
    assert f'href="{URL}"' in page


def test_filters_stay_with_the_period_and_may_be_chosen_again(as_alice: Client, alice: User) -> None:
    used(alice)
    used(alice, provider="xai", model="grok")
    page = shown(as_alice, period="all", provider="xai")
    assert '<dd class="stat-figure">1</dd>' in page
    assert '<option value="xai" selected>' in page
    assert '<option value="openai">' in page
    assert '<option value="grok">' in page
    assert '<option value="gpt-4o">' not in page
    assert f'href="{URL}?period=today&amp;provider=xai"' in page
    assert f'href="{URL}?period=all&amp;provider=xai&amp;model=grok"' in page


def test_htmx_gets_the_fragment_of_the_same_page(as_alice: Client, alice: User) -> None:
    used(alice)
    response = as_alice.get(URL, {"period": "week"}, headers={"HX-Request": "true"})
    fragment, page = response.content.decode(), as_alice.get(URL, {"period": "week"})
    assert fragment.lstrip().startswith('<div class="grid usage" id="usage">')
    assert fragment.strip() in page.content.decode()
    assert "HX-Request" in page["Vary"]


def test_unknown_costs_are_a_dash_and_counted(as_alice: Client, alice: User) -> None:
    used(alice, model="made-up", cost=None)
    page = shown(as_alice)
    assert "1 request has no known price. The costs here leave it out." in page
    assert '<dd class="stat-figure"><span class="faint">–</span>' in page
    used(alice, model="made-up", cost=None)
    used(alice)
    assert "2 requests have no known price. The costs here leave them out." in shown(as_alice)
    assert "no known price" not in shown(as_alice, model="gpt-4o")


def test_models_beyond_the_twentieth_are_one_row(as_alice: Client, alice: User) -> None:
    for number in range(22):
        used(alice, model=f"m{number:02}", cost=Decimal(100 + number))
    page = shown(as_alice)
    assert "m02</bdi>" in page
    assert "m01</bdi>" not in page
    assert "All the others" in page
    assert '<data value="201" title="$201">$201.00</data>' in page


def test_a_model_goes_without_its_maker_unless_two_would_be_the_same(as_alice: Client, alice: User) -> None:
    for model in ("gpt-4o", "openai/gpt-4o", "openai/o3"):
        used(alice, model=model)
    page = shown(as_alice)
    for name in ("gpt-4o", "openai/gpt-4o", "o3"):
        assert f"<bdi>{name}</bdi></a>" in page


def test_quotas_are_meters_with_what_is_reserved_and_budgets_named(as_alice: Client, alice: User) -> None:
    counted_key(alice, request_limit=7)
    narrow(alice, "openai", "gpt-4o", cost_limit=Decimal("1.5"))
    with tenant(alice.pk):
        QuotaLimit.objects.filter(period="monthly").update(own_cost_limit=Decimal(2))
    used(alice)
    metering.reserve(user_id=alice.pk, provider="openai", model="gpt-4o", tokens=1000, cost=Decimal("0.5"))
    page = shown(as_alice)
    assert "1 and 1 reserved of 500" in page
    assert "450 and 1,000 reserved of 100,000" in page
    assert "$0.0040 and $0.50 reserved of $1.50" in page
    assert "$0.0040 and $0.50 reserved of $2.00" in page
    assert page.count("your budget") == 1
    assert "of 7<" not in page
    assert page.count("renews ") == 3


@pytest.mark.parametrize(
    ("query", "words", "action"),
    [
        ({"period": "all"}, "Nothing used yet", "/import/"),
        ({}, "Nothing used in this period", f"{URL}?period=all"),
        ({"period": "week", "model": "nothing"}, "Nothing like this was used", f"{URL}?period=week"),
    ],
)
def test_an_empty_page_says_what_to_do(as_alice: Client, query: dict[str, str], words: str, action: str) -> None:
    page = shown(as_alice, **query)
    assert words in page
    assert f'<a href="{action}" class="button button-primary">' in page
    assert "0 of 500" in page


def test_another_persons_usage_is_never_shown(alice: User, as_bob: Client) -> None:
    used(alice, model="canary")
    assert "canary" not in shown(as_bob, period="all")
    assert "canary" not in shown(as_bob, "/")


def test_who_is_not_signed_in_is_sent_to_sign_in(anonymous: Client) -> None:
    response = anonymous.get(URL)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_another_method_is_refused(as_alice: Client) -> None:
    assert as_alice.post(URL).status_code == 405


@pytest.mark.parametrize(
    "query", [{"period": "recent"}, {"period": "x"}, {"model": "x" * 201}, {"provider": "a\0"}, {"source": "nobody"}]
)
def test_bad_input_leads_to_the_whole_page(as_alice: Client, query: dict[str, str]) -> None:
    response = as_alice.get(URL, query)
    assert (response.status_code, response["Location"]) == (302, URL)


def test_what_was_written_by_others_is_escaped(as_alice: Client, alice: User) -> None:
    used(alice, provider='"><script>', model="<img src=x>")
    page = shown(as_alice)
    assert "<script>" not in page.replace('<script type="module"', "").replace("<script src", "")
    assert "<img src=x>" not in page


def test_figures_and_quotas_are_one_query_each(alice: User) -> None:
    used(alice)
    client = signed_in(alice)
    client.get(URL)
    with CaptureQueriesContext(connections["default"]) as asked:
        client.get(URL)
    of_usage = [query["sql"] for query in asked if "usage_" in query["sql"]]
    assert len(of_usage) == 2
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) <= 6


def test_the_overview_has_the_month_the_chart_and_the_quotas(as_alice: Client, alice: User) -> None:
    used(alice)
    used(alice, days_ago=20, cost=Decimal("0.5"), model="older")
    used(alice, days_ago=40, cost=Decimal(7), model="oldest")
    page = shown(as_alice, "/")
    assert "Cost this month" in page
    assert "$0.50 in all" in page
    assert 'title="older"' in page
    assert 'title="oldest"' not in page
    assert "1 of 500" in page
    assert '<data value="0.004" title="$0.004">$0.0040</data>' in page
