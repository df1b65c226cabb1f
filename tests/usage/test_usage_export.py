"""The usage page's file: the very lines that its table shows, all of them, whatever the range and the filters."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.models import Profile, User
from tests.conftest import signed_in
from usage import exporting, metering
from usage.metering import BatchRecord, Tokens
from usage.models import Source, UsageRecord
from wavelength.tenancy import current_tenant, tenant

pytestmark = pytest.mark.django_db

PAGE, URL = "/usage/", "/usage/export/"
CELLS = re.compile(
    r'<time datetime="([^"]+)">.*?<bdi>(.*?)</bdi></td><td class="nowrap"><bdi>(.*?)</bdi></td>'
    r'<td class="nowrap">(.*?)</td>((?:<td class="numeric">.*?</td>){7})'
)


def used(person: User, happened_at: datetime, *, source: Source = Source.CLIENT, **more: Any) -> None:
    given = {"provider": "openai", "model": "m", "tokens": Tokens(10, 20, 5, 4), "cost": Decimal("0.25"), **more}
    metering.record_batch(user_id=person.pk, records=[BatchRecord(happened_at=happened_at, **given)], source=source)


@pytest.fixture
def busy(alice: User) -> User:
    """Four months, many models of odd names, two sources, some costs unknown; in Kolkata, whose days begin at 18:30."""
    with tenant(alice.pk):
        Profile.objects.update(timezone="Asia/Kolkata")
    now = datetime.now(UTC)
    for number in range(60):
        used(
            alice,
            now - timedelta(hours=number * 47),
            provider=("openai", "xai", "ollama")[number % 3],
            model=("Zeta", "alpha", "é", "o3,mini", 'quo"te')[number % 5],
            cost=None if number % 7 == 0 else Decimal(f"0.00{number}1"),
            source=Source.GATEWAY if number % 4 == 0 else Source.CLIENT,
        )
        used(alice, now - timedelta(hours=number * 47), model="every time", cost=Decimal("1e-12"))
    return alice


def lines_shown(client: Client, query: dict[str, str]) -> Iterator[list[str]]:
    """Every page's table, as the cells of the file."""
    for number in range(1, 100):
        page = " ".join(client.get(PAGE, {**query, "page": str(number)}).content.decode().split())
        table = page.partition('id="lines-table"')[2].partition("</table>")[0]
        for when, provider, model, source, figures in CELLS.findall(table):
            requests, *tokens, cost = re.findall(r'<td class="numeric">(.*?)</td>', figures)
            exact = re.search(r'<data value="([^"]+)"', cost)
            counts = [figure.replace(",", "") for figure in (requests, *tokens)]
            yield [when, unescape(provider), unescape(model), source, *counts, exact[1] if exact else ""]
        if 'id="lines-older"' not in page:
            return


def exported(client: Client, query: dict[str, str]) -> list[dict[str, str]]:
    response = client.get(URL, query)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(response.getvalue().decode(), newline="")))


LABELS = {"openai": "OpenAI", "xai": "xAI", "client": "Client", "gateway": "Gateway", "migration": "Hand-over"}
DAY = timedelta(days=1)


def as_shown(line: dict[str, str]) -> list[str]:
    when, provider, model, source, requests, _unpriced, *figures = line.values()
    return [when, LABELS.get(provider, provider), model, LABELS[source], requests, *figures]


@pytest.mark.parametrize(
    ("query", "unit"),
    [
        ({"period": "today"}, "hour"),
        ({"period": "month"}, "day"),
        ({"period": "30days", "provider": "xai"}, "day"),
        ({"period": "30days", "model": "every time", "source": "client"}, "day"),
        ({"period": "all"}, "week"),
        ({"days": "2"}, "hour"),
        ({"days": "60", "source": "gateway"}, "day"),
        ({"days": "300"}, "week"),
        ({"days": "1200", "sort": "name"}, "month"),
    ],
)
def test_it_equals_the_table(busy: User, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], unit: str) -> None:
    monkeypatch.setattr(exporting, "PAGE", 7)
    client = signed_in(busy)
    query = dict(query)
    if days := query.pop("days", ""):
        today = datetime.now(UTC).date()
        query |= {"period": "custom", "from": str(today - int(days) * DAY + DAY), "to": str(today)}
    lines = exported(client, query)
    assert lines
    assert next(iter(lines[0])) == unit
    assert [as_shown(line) for line in lines] == list(lines_shown(client, query))
    whole = json.loads(client.get(URL, {**query, "format": "json"}).getvalue(), parse_float=Decimal)
    assert whole["unit"] == unit
    assert whole["time_zone"] == "Asia/Kolkata"
    assert whole["filters"]["provider"] == query.get("provider")
    written = [
        ["" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value) for value in line.values()]
        for line in whole["lines"]
    ]
    assert written == [list(line.values()) for line in lines]


def test_its_sums_are_the_totals(busy: User) -> None:
    client = signed_in(busy)
    page = " ".join(client.get(PAGE, {"period": "all"}).content.decode().split())
    lines = exported(client, {"period": "all"})
    total = sum((Decimal(line["cost_usd"] or 0) for line in lines), Decimal(0))
    assert f'<data value="{total.normalize():f}"' in page
    assert f'<dd class="stat-figure">{sum(int(line["requests"]) for line in lines)}</dd>' in page
    unpriced = sum(int(line["unpriced_requests"]) for line in lines)
    assert f"{unpriced} requests have no known price" in page


def test_formulas_are_harmless_in_a_spreadsheet(as_alice: Client, alice: User) -> None:
    names = ["=1+1", "+1", "-1", "@sum(a)", "\tx", "'fine", "a=b"]
    for name in names:
        used(alice, datetime.now(UTC), provider=name, model=name)
    lines = exported(as_alice, {"period": "today"})
    for column in ("provider", "model"):
        assert sorted(line[column] for line in lines) == sorted([f"'{name}" for name in names[:5]] + names[5:])
    whole = json.loads(as_alice.get(URL, {"format": "json"}).getvalue())
    assert sorted(line["model"] for line in whole["lines"]) == sorted(names)


def test_an_hour_that_comes_twice_stays_two(alice: User) -> None:
    """Havana, 1 November 2026: at one o'clock the clocks go back to midnight."""
    with tenant(alice.pk):
        Profile.objects.update(timezone="America/Havana")
    first = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)
    for hours in range(3):
        used(alice, first + timedelta(hours=hours))
    client = signed_in(alice)
    query = {"period": "custom", "from": "2026-11-01", "to": "2026-11-01"}
    assert [line["hour"] for line in exported(client, query)] == [
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T00:00:00-05:00",
        "2026-11-01T00:00:00-04:00",
    ]
    assert [as_shown(line) for line in exported(client, query)] == list(lines_shown(client, query))


def test_a_day_that_is_interrupted_by_the_one_before_stays_one(alice: User) -> None:
    """St. John's, 7 November 2010: at one minute past midnight the clocks go back to 23:01 of the day before."""
    with tenant(alice.pk):
        Profile.objects.update(timezone="America/St_Johns")
        for hour, minute in ((1, 0), (2, 30), (3, 0), (3, 30)):
            UsageRecord.objects.create(
                user=alice, provider="p", model="m", source="client", request_count=1, input_tokens=1, output_tokens=0,
                reasoning_tokens=0, hour=datetime(2010, 11, 7, hour, minute, tzinfo=UTC),
            )  # fmt: skip
    client = signed_in(alice)
    query = {"period": "custom", "from": "2010-11-05", "to": "2010-11-07"}
    lines = exported(client, query)
    assert [(line["day"], line["requests"]) for line in lines] == [("2010-11-07", "2"), ("2010-11-06", "2")]
    assert [as_shown(line) for line in lines] == list(lines_shown(client, query))


def test_the_file_has_a_name_and_a_range_without_usage_is_empty(as_alice: Client) -> None:
    query = {"period": "custom", "from": "2026-01-01", "to": "2026-01-31"}
    response = as_alice.get(URL, query)
    assert response["Content-Disposition"] == 'attachment; filename="usage-2026-01-01-to-2026-01-31.csv"'
    assert response.getvalue().decode() == (
        "day,provider,model,source,requests,unpriced_requests,input_tokens,cached_tokens,output_tokens,"
        "reasoning_tokens,tokens,cost_usd\r\n"
    )
    assert json.loads(as_alice.get(URL, {**query, "format": "json"}).getvalue())["lines"] == []


def test_it_comes_piece_by_piece_and_serves_nobody_in_between(
    busy: User, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "LINES", 5)
    monkeypatch.setattr(exporting, "PAGE", 7)
    response: Any = signed_in(busy).get(URL, {"period": "30days"})
    pieces = 0
    for piece in response.streaming_content:
        assert current_tenant() is None
        assert len(piece) < 1500
        pieces += 1
    assert pieces > 5
    assert connections["default"].in_atomic_block  # the test's own


def test_another_persons_usage_is_never_in_it(alice: User, as_bob: Client) -> None:
    used(alice, datetime.now(UTC))
    assert exported(as_bob, {"period": "all"}) == []


def test_who_is_not_signed_in_is_sent_to_sign_in(anonymous: Client) -> None:
    response = anonymous.get(URL)
    assert response["Location"].startswith(reverse("account_login"))


def test_another_method_is_refused(as_alice: Client) -> None:
    assert as_alice.post(URL).status_code == 405


@pytest.mark.parametrize("query", [{"period": "x"}, {"model": "x" * 201}, {"source": "nobody"}])
def test_bad_input_leads_to_the_page(as_alice: Client, query: dict[str, str]) -> None:
    response = as_alice.get(URL, query)
    assert (response.status_code, response["Location"]) == (302, PAGE)
