"""The usage page in a browser: with script a part of it changes, without script all of it; the address follows."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.conftest import Open
from usage.metering import BatchRecord, Tokens, record_batch


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
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("region", name="Requests, tokens and cost over time").get_by_role("row")).to_have_count(3)
    page.reload()
    assert requests_shown(page) == "2"


def test_it_works_without_script(used: User, open_page: Open) -> None:
    page = open_page("/usage/", person=used, script=False)
    page.get_by_role("link", name="Today").click()
    assert requests_shown(page) == "2"
    page.get_by_label("Model", exact=True).select_option("grok-3")
    page.get_by_role("button", name="Show").click()
    assert requests_shown(page) == "1"
    assert "period=today" in page.url
    page.get_by_role("link", name="All time").click()
    assert requests_shown(page) == "2"
    page.get_by_role("link", name="xai").click()
    assert "provider=xai&model=grok-3" in page.url
