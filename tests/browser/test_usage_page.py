"""The usage page in a browser: with script a part of it changes, without script all of it; the address follows."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.conftest import Open
from tests.browser.test_pages_accessible import AXE, RUN
from usage.metering import BatchRecord, Tokens, record_batch
from usage.models import QuotaLimit, QuotaWindow
from wavelength.tenancy import tenant


@pytest.fixture
def used(alice: User) -> User:
    """Three requests: two today, one half a year ago."""
    now = datetime.now(UTC)
    records = [
        BatchRecord("openai", "gpt-4o", Tokens(150, 300), cost=Decimal("0.004"), happened_at=now),
        BatchRecord("xai", "grok-3", Tokens(150, 300), cost=Decimal("0.004"), happened_at=now),
        BatchRecord("xai", "grok-3", Tokens(1, 2), cost=Decimal(1), happened_at=now - timedelta(days=180)),
    ]
    record_batch(user_id=alice.pk, records=records)
    return alice


def requests_shown(page: Page) -> str:
    return page.locator(".stat", has_text="Requests").locator(".stat-figure").inner_text()


def test_it_works(used: User, open_page: Open) -> None:
    page = open_page("/usage/", person=used)
    assert requests_shown(page) == "2"
    page.evaluate("document.querySelector('h1').dataset.kept = 'yes'")
    page.get_by_role("link", name="All time").click()
    expect(page.get_by_role("link", name="All time")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("link", name="All time")).to_be_focused()
    assert requests_shown(page) == "3"
    page.get_by_label("Provider", exact=True).select_option("xai")
    expect(page.locator(".stat", has_text="Requests").locator(".stat-figure")).to_have_text("2")
    expect(page).to_have_url(re.compile(r"\?period=all&provider=xai"))
    assert page.locator("h1").get_attribute("data-kept") == "yes"
    page.get_by_text("The same as a table").nth(1).click()
    expect(page.get_by_role("region", name="Requests over time").get_by_role("row")).to_have_count(3)
    page.reload()
    assert requests_shown(page) == "2"
    page.go_back()
    expect(page.locator(".stat", has_text="Requests").locator(".stat-figure")).to_have_text("3")
    assert page.url.endswith("?period=all")


def test_it_works_without_script(used: User, open_page: Open) -> None:
    page = open_page("/usage/", person=used, script=False)
    page.get_by_role("link", name="Today").click()
    assert requests_shown(page) == "2"
    page.get_by_label("Model", exact=True).select_option("grok-3")
    page.get_by_role("button", name="Show", exact=True).click()
    assert requests_shown(page) == "1"
    assert "period=today" in page.url
    page.get_by_role("link", name="All time").click()
    assert requests_shown(page) == "2"
    page.get_by_role("region", name="Requests, tokens and cost by provider").get_by_role("link", name="xai").click()
    assert "provider=xai&model=grok-3" in page.url


def exported(page: Page, form: str, path: Path) -> str:
    with page.expect_download() as download:
        page.get_by_role("link", name=form, exact=True).click()
    download.value.save_as(path)
    return path.read_bytes().decode()


def lines_shown(page: Page) -> list[list[str]]:
    """The table line by line, figures to their last digit."""
    found: list[list[str]] = page.locator("#lines-table tbody tr").evaluate_all(
        """rows => rows.map(row => [...row.cells].map(cell =>
             cell.querySelector("time")?.dateTime ?? cell.querySelector("data")?.value ?? cell.innerText))"""
    )
    return found


@pytest.mark.parametrize("script", [True, False])
def test_the_file_equals_the_table(used: User, open_page: Open, tmp_path: Path, script: bool) -> None:
    page = open_page("/usage/?period=all", person=used, script=script, locale="en-US")
    page.get_by_label("Provider", exact=True).select_option("xai")
    if not script:
        page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#lines-table tbody tr")).to_have_count(2)
    table = lines_shown(page)
    lines = list(csv.DictReader(StringIO(exported(page, "CSV", tmp_path / "usage.csv"), newline="")))
    told = [line["cost_usd"] for line in lines]
    assert told == [line[-1] for line in table] == ["0.004", "1"]
    for line, shown in zip(lines, table, strict=True):
        assert [line["week"], "xAI", line["model"], line["requests"]] == [shown[0], shown[1], shown[2], shown[4]]
        figures = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "tokens")
        assert [line[name] for name in figures] == shown[5:10]
    whole = json.loads(exported(page, "JSON", tmp_path / "usage.json"))
    assert [line["week"] for line in whole["lines"]] == [line[0] for line in table]


@pytest.mark.parametrize("script", [True, False])
def test_a_range_of_ones_own(used: User, open_page: Open, script: bool) -> None:
    page = open_page("/usage/", person=used, script=script)
    long_ago = datetime.now(UTC).date() - timedelta(days=180)
    page.get_by_label("From", exact=True).fill(str(long_ago))
    page.get_by_label("To", exact=True).fill(str(long_ago - timedelta(days=1)))
    page.get_by_role("button", name="Show range").click()
    expect(page.get_by_text("The range ends before it begins.")).to_be_visible()
    expect(page.get_by_label("From", exact=True)).to_have_value(str(long_ago))
    page.get_by_label("To", exact=True).fill(str(long_ago))
    page.get_by_role("button", name="Show range").click()
    expect(page.locator(".stat", has_text="Requests").locator(".stat-figure")).to_have_text("1")
    assert f"from={long_ago}&to={long_ago}" in page.url
    expect(page.locator("#lines-table time")).to_have_attribute("datetime", re.compile(rf"{long_ago}T\d\d:00:00"))


@pytest.mark.parametrize("script", [True, False])
def test_a_budget_is_set_measured_and_removed(used: User, open_page: Open, script: bool) -> None:
    page = open_page("/usage/", person=used, script=script)
    page.get_by_role("link", name="Set a budget").click()
    page.get_by_label("Of what").select_option("xai")
    page.get_by_label("Cost in US dollars").fill("99")
    page.get_by_role("button", name="Set budget").click()
    expect(page.get_by_text("You may spend $50 a month. Choose a budget up to that.")).to_be_visible()
    expect(page.get_by_label("Of what")).to_have_value("xai")
    page.get_by_label("Cost in US dollars").fill("0.005")
    page.get_by_role("button", name="Set budget").click()
    expect(page.get_by_text("Your budget is set.")).to_be_visible()
    quota = page.locator(".quota", has_text="your budget")
    expect(quota).to_contain_text("$0.0040 of $0.0050")
    assert quota.locator("meter").evaluate("meter => meter.value / meter.max") == pytest.approx(0.8)
    if script:
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_role("link", name="Set a budget")).to_be_focused()
    quota.get_by_role("button", name="Remove budget").click()
    expect(page.get_by_text("Your budget is removed.")).to_be_visible()
    expect(page.locator(".quota", has_text="your budget")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".quota", has_text="your budget")).to_contain_text("$0.0040 of $0.0050")


DRAWN = """() => [...document.querySelectorAll("canvas[role=img]")].map(canvas => {
  const chart = Chart.getChart(canvas);
  return [canvas.getAttribute("aria-label"),
          chart.data.datasets.map(set => [set.label, set.data.reduce((sum, figure) => sum + figure, 0)]),
          chart.getDatasetMeta(0).data.at(-1).options.backgroundColor];
})"""
MOVED = """() => { window.moved = 0; new PerformanceObserver(list => list.getEntries().forEach(
  entry => { window.moved += entry.value })).observe({type: "layout-shift", buffered: true}) }"""


def test_charts_are_drawn_from_their_tables(used: User, open_page: Open) -> None:
    page = open_page("/usage/?period=week", person=used, viewport={"width": 1280, "height": 1000})
    page.evaluate(MOVED)
    expect(page.locator("canvas[role=img]")).to_have_count(3)
    cost, requests, tokens = page.evaluate(DRAWN)
    assert [cost[0], requests[0], tokens[0]] == ["Cost over time", "Requests over time", "Tokens over time"]
    assert cost[1] == [["gpt-4o", 0.004], ["grok-3", 0.004]]
    assert [layer[1] for layer in tokens[1]] == [450, 450]
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => ({DRAWN})()[0][2] !== light", arg=cost[2])
    page.get_by_role("link", name="By provider", exact=True).click()
    expect(page.get_by_role("link", name="By provider", exact=True)).to_have_attribute("aria-current", "true")
    expect(page.locator("canvas[role=img]")).to_have_count(3)
    assert [layer[0] for layer in page.evaluate(DRAWN)[0][1]] == ["OpenAI", "xAI"]
    expect(page.get_by_role("link", name="By provider", exact=True)).to_be_focused()
    page.get_by_role("region", name="Requests, tokens and cost by model").get_by_role("link", name="Requests").click()
    expect(page.get_by_role("columnheader", name="Requests").first).to_have_attribute("aria-sort", "descending")
    assert page.evaluate("Object.keys(Chart.instances).length") == 3
    assert page.evaluate("window.moved") < 0.01


def test_without_script_the_server_draws_them(used: User, open_page: Open) -> None:
    page = open_page("/usage/?period=week", person=used, script=False)
    expect(page.locator(".plot-svg path")).to_have_count(6)
    expect(page.locator(".plot-svg").first).to_be_visible()
    assert page.locator("canvas").count() == 0


def test_tables_scroll_by_themselves_on_a_phone(used: User, open_page: Open) -> None:
    with tenant(used.pk):
        limit = QuotaLimit.objects.filter(period="daily", provider="").get()
        for days in range(1, 9):
            ends = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
            QuotaWindow.objects.create(
                user=used, limit=limit, starts_at=ends - timedelta(days=1), ends_at=ends, used_tokens=10**14
            )
    page = open_page("/usage/?period=30days", person=used, viewport={"width": 360, "height": 740})
    opened = page.evaluate(
        "[...document.querySelectorAll('main details')].map(box => { box.open = true; return box.id })"
    )
    assert {"plot-cost-table", "quota-past-1"} <= set(opened)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate(AXE)
    assert page.evaluate(RUN, "light") == []
