"""The usage page, and what the overview shows of usage."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Profile, User
from tests.conftest import signed_in
from tests.usage.calling import counted_key, narrow
from usage import metering, quotas
from usage.metering import BatchRecord, Tokens
from usage.models import Period, QuotaLimit, Source
from usage.showing import LINES_SHOWN
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


@pytest.mark.parametrize("period", ["", "today", "week", "30days", "month", "last-month", "all"])
def test_every_period_is_a_link_and_a_page(as_alice: Client, alice: User, period: str) -> None:
    used(alice)
    page = shown(as_alice, period=period)
    choices = page.partition('aria-label="Period"')[2].partition("</nav>")[0]
    assert choices.count('aria-current="true"') == 1
    for other in ("today", "week", "30days", "last-month", "all"):
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
    models = rows_of(page, "Requests, tokens and cost by model")
    assert models == [f"m{number:02}" for number in range(21, 1, -1)]
    assert "All the others" in page
    assert '<data value="201" title="$201">$201.00</data>' in page


def test_a_model_goes_without_its_maker_unless_two_would_be_the_same(as_alice: Client, alice: User) -> None:
    for model in ("gpt-4o", "openai/gpt-4o", "openai/o3"):
        used(alice, model=model)
    page = shown(as_alice)
    for name in ("gpt-4o", "openai/gpt-4o", "o3"):
        assert f"<bdi>{name}</bdi></a>" in page
    used(alice, provider="openrouter", model="openai/o3")
    names = rows_of(shown(as_alice), "Requests, tokens and cost by model")
    assert sorted(names) == ["gpt-4o", "o3 · OpenAI", "o3 · OpenRouter", "openai/gpt-4o"]


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
    "query",
    [
        {"period": "recent"},
        {"by": "x"},
        {"sort": "x"},
        {"page": "0"},
        {"period": "x"},
        {"model": "x" * 201},
        {"provider": "a\0"},
        {"source": "nobody"},
    ],
)
def test_bad_input_leads_to_the_whole_page(as_alice: Client, query: dict[str, str]) -> None:
    response = as_alice.get(URL, query)
    assert (response.status_code, response["Location"]) == (302, URL)


def test_what_was_written_by_others_is_escaped(as_alice: Client, alice: User) -> None:
    used(alice, provider='"><script>', model="<img src=x>")
    page = shown(as_alice)
    assert "<script>" not in page.replace('<script type="module"', "").replace("<script src", "")
    assert "<img src=x>" not in page


def test_the_stacks_are_a_table_and_drawn_of_models_or_of_providers(as_alice: Client, alice: User) -> None:
    used(alice)
    used(alice, model="o3", cost=Decimal("0.5"))
    used(alice, provider="ollama", model="<llama>", cost=None)
    page = shown(as_alice, period="today")
    for figure in ("Cost", "Requests", "Tokens"):
        assert f'aria-label="{figure} over time"' in page
    costs = page.partition('aria-label="Cost over time"')[2].partition("</table>")[0]
    heads = re.findall(r'title="([^"]*)" data-layer', costs)
    assert heads == ["o3", "gpt-4o", "&lt;llama&gt;"]
    assert re.findall(r'<data value="([^"]*)">', costs) == ["0.5", "0.004", "", "0.504"]
    assert '<span class="swatch series-1">' in costs
    drawn = page.partition('id="plot-requests-title"')[2].partition("</svg>")[0]
    heights = re.findall(r'<path class="series-(\d)" d="M[\d.]+ ([\d.]+)h[\d.]+v([\d.]+)h-[\d.]+z">', drawn)
    assert heights == [("1", "80.00", "40.00"), ("2", "40.00", "40.00"), ("3", "0.00", "40.00")]
    page = shown(as_alice, period="today", by="provider")
    costs = page.partition('aria-label="Cost over time"')[2].partition("</table>")[0]
    assert re.findall(r'title="([^"]*)" data-layer', costs) == ["openai", "ollama"]
    assert '<span class="swatch series-openai">' in costs
    assert f'href="{URL}?period=today&amp;provider=ollama&amp;by=provider"' in page


def test_beyond_six_they_are_others(as_alice: Client, alice: User) -> None:
    for number in range(9):
        used(alice, model=f"m{number}", cost=Decimal(10 - number))
    page = shown(as_alice)
    costs = page.partition('aria-label="Cost over time"')[2].partition("</table>")[0]
    assert re.findall(r"<bdi>(\w+)</bdi></th>", costs) == ["m0", "m1", "m2", "m3", "m4", "m5", "Others"]
    assert re.findall(r'<data value="(\d+)">', costs) == ["10", "9", "8", "7", "6", "5", "9", "54"]


def rows_of(page: str, label: str) -> list[str]:
    table = page.partition(f'aria-label="{label}"')[2].partition("</table>")[0]
    return re.findall(r"<bdi>([^<]+)</bdi></a>", table)


@pytest.mark.parametrize(
    ("sort", "names", "column", "order"),
    [
        ("", ["b", "a", "c"], "cost", "descending"),
        ("cost", ["c", "a", "b"], "cost", "ascending"),
        ("-requests", ["c", "b", "a"], "requests", "descending"),
        ("name", ["a", "b", "c"], "model", "ascending"),
        ("-tokens", ["a", "b", "c"], "tokens", "descending"),
    ],
)
def test_tables_sort(as_alice: Client, alice: User, sort: str, names: list[str], column: str, order: str) -> None:
    used(alice, model="a", cost=Decimal(1), tokens=Tokens(3))
    used(alice, model="b", cost=Decimal(2), tokens=Tokens(2), requests=2)
    used(alice, model="c", cost=None, tokens=Tokens(1), requests=3)
    page = shown(as_alice, sort=sort)
    assert rows_of(page, "Requests, tokens and cost by model") == names
    assert re.search(rf'aria-sort="{order}"><a class="sort" href="[^"]+" id="sort-model-{column}"', page)
    assert page.count("aria-sort=") == 4  # by model, provider, source and time
    turned = {"": "cost", "cost": "", "name": "-name"}.get(sort)
    if turned is not None:
        address = f"{URL}?sort={turned}" if turned else URL
        assert f'href="{address}" id="sort-model-{column}"' in page


def test_shares_are_of_the_cost_else_of_the_requests(as_alice: Client, alice: User) -> None:
    used(alice, model="a", cost=None, requests=3)
    used(alice, model="b", cost=None)
    page = shown(as_alice)
    assert '<td class="numeric">75%</td>' in page
    used(alice, provider="xai", model="c", cost=Decimal(9))
    used(alice, provider="xai", model="d", cost=Decimal("0.01"))
    page = shown(as_alice)
    assert '<td class="numeric">100%</td>' in page
    assert '<td class="numeric">&lt;1%</td>' in page
    assert "<title>xAI: 100%</title>" in page


def test_the_finest_rows_come_in_pages(as_alice: Client, alice: User) -> None:
    for number in range(LINES_SHOWN + 1):
        used(alice, model=f"m{number:02}")
    page = shown(as_alice)
    assert f"1 to {LINES_SHOWN} of {LINES_SHOWN + 1}, newest first." in page
    assert f'href="{URL}?page=2#lines"' in page
    page = shown(as_alice, page="2")
    assert f"{LINES_SHOWN + 1} to {LINES_SHOWN + 1} of {LINES_SHOWN + 1}, newest first." in page
    assert f'href="{URL}#lines"' in page
    lines = page.partition('id="lines-table"')[2].partition("</table>")[0]
    assert f"<bdi>m{LINES_SHOWN}</bdi>" in lines
    assert "Usage line by line" not in shown(as_alice, page="3")


def test_the_busiest_hours_are_a_table(as_alice: Client, alice: User) -> None:
    with tenant(alice.pk):
        Profile.objects.update(timezone="Asia/Tokyo")
    monday = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)  # Tuesday, half past midnight in Tokyo
    days_ago = (datetime.now(UTC) - monday).days
    for requests, hours in ((5, 0), (2, 1)):
        metering.record_batch(
            user_id=alice.pk,
            records=[BatchRecord("openai", "m", requests=requests, happened_at=monday + timedelta(hours=hours))],
        )
    assert days_ago >= 0
    page = shown(signed_in(alice), period="all")
    assert "Busiest: Tuesday, 00:00 (5 requests)." in page
    assert '<td class="heat-5" title="Tuesday, 00:00: 5">' in page
    assert '<td class="heat-2" title="Tuesday, 01:00: 2">' in page
    assert page.count('<td class="heat-') == 7 * 24
    assert "Busiest" not in shown(as_alice, period="today")


def test_a_custom_range_is_the_persons_own_days(as_alice: Client, alice: User) -> None:
    today = datetime.now(UTC).date()
    for days_ago in (3, 4, 5, 6, 40):
        used(alice, days_ago=days_ago, model=f"ago{days_ago}")
    first, last = (today - timedelta(days=5)).isoformat(), (today - timedelta(days=4)).isoformat()
    page = shown(as_alice, **{"period": "custom", "from": first, "to": last})
    assert rows_of(page, "Requests, tokens and cost by model") == ["ago4", "ago5"]
    assert "2 times as much as the 2 days before" not in page
    assert "100% more than the 2 days before" in page
    assert f'name="from" value="{first}"' in page
    assert f'name="to" value="{last}"' in page
    assert f'href="{URL}?period=custom&amp;from={first}&amp;to={last}&amp;provider=openai&amp;model=ago4"' in page


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("", "2026-01-01", "Choose a day."),
        ("2026-01-01", "", "Choose a day."),
        ("2026-13-01", "2026-01-01", "This is no day. Write it as year-month-day"),
        (
            "2026-02-02",
            "2026-02-01",
            "The range ends before it begins. Choose a last day that is not before the first.",
        ),
        ("1999-12-31", "2026-01-01", "Choose a first day from the year 2000 on."),
        ("2999-01-01", "2999-01-02", "This day is still to come. Choose a first day up to today."),
        ("2005-01-01", "2026-01-01", "A range has at most ten years. Choose days that are closer together."),
    ],
)
def test_a_bad_range_says_why_and_stays(as_alice: Client, alice: User, first: str, last: str, words: str) -> None:
    used(alice)
    query = {"period": "custom", "from": first, "to": last, "provider": "openai"}
    page = shown(as_alice, **query)
    assert words in page
    assert "This range cannot be shown" in page
    for value in filter(None, (first, last)):
        assert f'value="{value}"' in page
    assert "2 of 500" not in page
    assert "1 of 500" in page
    assert '<input type="hidden" name="provider" value="openai">' in page
    response = as_alice.get(f"{URL}export/", query)
    assert (response.status_code, response["Location"].partition("?")[0]) == (302, URL)


def test_kinds_of_tokens_are_compared_too(as_alice: Client, alice: User) -> None:
    used(alice, tokens=Tokens(100, 50, 20, 10))
    used(alice, days_ago=1, tokens=Tokens(50, 50, 20, 40))
    page = shown(as_alice, period="week")
    kinds = page.partition('<dl class="kinds">')[2].partition("</dl>")[0]
    assert re.findall(r"<dd>(\d+)</dd>", kinds) == ["150", "50", "100", "40"]
    assert "none the 7 days before" in kinds


def test_quotas_have_their_past(as_alice: Client, alice: User) -> None:
    used(alice, tokens=Tokens(1))
    now = datetime.now(UTC)
    for days_ago, requests in ((2, 450), (1, 600)):
        used(alice, days_ago=days_ago, requests=requests, tokens=Tokens(1))
        quotas.catch_up(user_id=alice.pk, at=now - timedelta(days=days_ago))
    page = shown(as_alice)
    past = page.partition('aria-label="A day: what was used of it"')[2].partition("</table>")[0]
    rows = re.findall(r'<td class="numeric">([^<]+%)</td><td class="numeric">([^<]+)</td>', past)
    assert rows == [("&lt;1%", "1"), ("120%", "600"), ("90%", "450")]
    assert 'class="history-exceeded"' in page
    assert 'class="history-warning"' in page
    assert "The last 30 days of it" in page
    for days_ago in range(3, 40):
        quotas.catch_up(user_id=alice.pk, at=now - timedelta(days=days_ago))
    past = shown(as_alice).partition('aria-label="A day: what was used of it"')[2].partition("</table>")[0]
    assert past.count('<th scope="row"') == 30


def test_the_past_is_measured_by_the_limits_of_its_time(as_alice: Client, alice: User) -> None:
    now = datetime.now(UTC)

    def shares(title: str = "A day") -> list[str]:
        past = shown(as_alice).partition(f'aria-label="{title}: what was used of it"')[2].partition("</table>")[0]
        return re.findall(r'<td class="numeric">([^<]+%|–)</td>', past)

    used(alice, tokens=Tokens(1))
    for days_ago, requests in ((2, 450), (1, 50)):
        used(alice, days_ago=days_ago, requests=requests, tokens=Tokens(1))
        quotas.catch_up(user_id=alice.pk, at=now - timedelta(days=days_ago))
    assert shares() == ["&lt;1%", "10%", "90%"]
    quotas.set_quota(user_id=alice.pk, period=Period.DAILY, request_limit=100)
    assert shares() == ["1%", "10%", "90%"]
    # Today's change of a change leaves what was kept, and the open window is measured by the limit now.
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, tokens=10)
    assert shares() == ["10%", "10%", "90%"]
    quotas.set_default_quota(user_id=alice.pk, period=Period.DAILY)
    quotas.remove_budget(user_id=alice.pk, period=Period.DAILY)
    assert shares() == ["&lt;1%", "10%", "90%"]


def test_where_nothing_was_limited_then_no_share_is_told(as_alice: Client, alice: User) -> None:
    used(alice, tokens=Tokens(1))
    quotas.set_quota(user_id=alice.pk, period=Period.DAILY, request_limit=None, token_limit=None, cost_limit=None)
    used(alice, days_ago=1, requests=50, tokens=Tokens(1))
    quotas.catch_up(user_id=alice.pk, at=datetime.now(UTC) - timedelta(days=1))
    quotas.set_quota(user_id=alice.pk, period=Period.DAILY, request_limit=100)
    past = shown(as_alice).partition('aria-label="A day: what was used of it"')[2].partition("</table>")[0]
    assert re.findall(r'<td class="numeric">([^<]+%|–)</td>', past) == ["1%", "–"]


def test_it_is_eight_queries_whatever_the_data(alice: User) -> None:
    client = signed_in(alice)
    for number in range(30):
        used(alice, model=f"m{number}", days_ago=number)
    for provider in ("openai", "xai", "google"):
        quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider=provider, tokens=1000)
    for query in ({}, {"period": "all", "page": "2"}, {"period": "custom", "from": "2026-01-01", "to": "2026-01-09"}):
        client.get(URL, query)
        with CaptureQueriesContext(connections["default"]) as asked:
            client.get(URL, query)
        assert len([sql for sql in asked if "SAVEPOINT" not in sql["sql"]]) <= 8


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
