"""An open page that follows its figures: two browsers, one of which uses something through the API."""

import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.models import Session, User
from tests.browser.conftest import Open, Site
from tests.conftest import signed_in
from tests.processes import free_port, serve
from usage import metering
from usage.metering import BatchRecord, Tokens

RECORD = {"provider": "openai", "model": "made-up", "inputTokens": 100, "outputTokens": 20, "cost": 0.5}

# What the page has now, and how much it jumps from now on.
WATCH = """() => {
  window.stats = document.querySelector(".stats");
  window.shifts = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((it) => (window.shifts += it.value)))
    .observe({type: "layout-shift"});
}"""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def used(alice: User) -> User:
    record = BatchRecord("openai", "gpt-4o", Tokens(1_000, 2_000), cost=Decimal(1))
    metering.record_batch(user_id=alice.pk, records=[record] * 20)
    return alice


def context_of(browser: Browser, url: str, person: User) -> BrowserContext:
    context = browser.new_context(base_url=url, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    cookie = signed_in(person).cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": url}])
    return context


def use(browser: Browser, url: str, person: User) -> float:
    """Record a request in another session of the same person; answer when."""
    other = context_of(browser, url, person)
    answer = other.request.post(
        "/api/profile/usage", data=json.dumps(RECORD), headers={"Content-Type": "application/json"}
    )
    assert answer.ok, answer.text()
    other.close()
    return time.monotonic()


def requests_shown(page: Page) -> Any:
    return page.locator(".stat", has_text="Requests").locator(".stat-figure")


def shown_after(page: Page, figure: str, began: float) -> float:
    expect(requests_shown(page)).to_have_text(figure, timeout=10_000)
    return time.monotonic() - began


@pytest.mark.parametrize("path", ["/", "/usage/"])
def test_it_works(path: str, used: User, site: Site, browser: Browser, open_page: Open) -> None:
    page = open_page(path, person=used)
    expect(page.locator(".live-state")).to_have_text("Live")
    assert requests_shown(page).inner_text() == "20"
    page.evaluate(WATCH)
    page.get_by_text("The same as a table").first.click()
    row = page.locator("tbody a, summary").last
    row.evaluate("it => { it.focus({preventScroll: true}); scrollTo(0, 240); window.marked = it; }")
    scrolled = page.evaluate("scrollY")
    shifts = page.evaluate("window.shifts")

    began = use(browser, site.url, used)
    assert shown_after(page, "21", began) < 2
    assert page.evaluate("document.activeElement === window.marked")
    assert page.evaluate("scrollY") == scrolled > 0
    expect(page.locator("details[open]", has_text="The same as a table")).to_have_count(1)
    # The very elements that were there: nothing was drawn anew.
    assert page.evaluate("document.querySelector('.stats') === window.stats")
    assert page.evaluate("window.shifts") - shifts < 0.01

    began = use(browser, site.url, used)
    assert shown_after(page, "22", began) < 2


def test_filters_stay_and_still_work_afterwards(used: User, site: Site, browser: Browser, open_page: Open) -> None:
    page = open_page("/usage/?period=all", person=used)
    page.get_by_label("Provider", exact=True).select_option("openai")
    expect(page).to_have_url(re.compile("provider=openai"))
    use(browser, site.url, used)
    expect(requests_shown(page)).to_have_text("21")
    expect(page.get_by_label("Provider", exact=True)).to_have_value("openai")
    page.get_by_role("link", name="Today").click()
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "true")
    use(browser, site.url, used)
    expect(requests_shown(page)).to_have_text("22")


def test_charts_follow_and_stay_the_same_drawings(used: User, site: Site, browser: Browser, open_page: Open) -> None:
    page = open_page("/usage/", person=used)
    expect(page.locator(".plot-box[data-drawn] canvas")).to_have_count(3)
    page.evaluate("window.canvases = [...document.querySelectorAll('canvas')]")
    sums = """() => window.canvases.map(it => Object.values(window.Chart.getChart(it).data.datasets)
        .flatMap(set => set.data).reduce((sum, it) => sum + (it ?? 0), 0))"""
    assert page.evaluate(sums) == [20, 20, 60_000]
    use(browser, site.url, used)
    expect(requests_shown(page)).to_have_text("21")
    assert page.evaluate("[...document.querySelectorAll('canvas')].every((it, i) => it === window.canvases[i])")
    assert page.evaluate(sums) == [20.5, 21, 60_120]


def test_advice_is_dismissed_in_place_and_taken_back(used: User, site: Site, browser: Browser, open_page: Open) -> None:
    page = open_page("/", person=used)
    page.get_by_text("Why am I seeing this?").click()
    expect(page.get_by_text("What they cost")).to_be_visible()
    page.get_by_role("button", name="Dismiss: With gpt-4o-mini").click()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    use(browser, site.url, used)
    expect(requests_shown(page)).to_have_text("21")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Why am I seeing this?")).to_be_visible()


@pytest.mark.parametrize("act", ["dismiss", "undo"])
def test_advice_without_script(act: str, used: User, open_page: Open) -> None:
    page = open_page("/", person=used, script=False)
    page.get_by_role("button", name="Dismiss: With gpt-4o-mini").click()
    if act == "undo":
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Why am I seeing this?")).to_be_visible()
    else:
        page.goto("/")
        expect(page.get_by_text("Why am I seeing this?")).to_have_count(0)
    expect(page.locator(".live-state")).to_be_hidden()


def test_a_page_asks_where_no_stream_is_free(used: User, browser: Browser) -> None:
    with serve(LIVE_STREAMS="0") as server:
        context = context_of(browser, server.url, used)
        page = context.new_page()
        page.goto("/")
        expect(page.locator(".live-state")).to_have_text("Updated every few seconds")
        began = use(browser, server.url, used)
        assert shown_after(page, "21", began) < 8
        context.close()


def test_a_page_survives_a_restart(used: User, browser: Browser) -> None:
    port = free_port()
    with serve(port=port) as server:
        context = context_of(browser, server.url, used)
        page = context.new_page()
        page.goto("/")
        expect(page.locator(".live-state")).to_have_text("Live")
    expect(page.locator(".live-state")).to_have_text("Connecting again …")
    # What was used meanwhile is shown as well.
    metering.record_batch(user_id=used.pk, records=[BatchRecord("openai", "made-up")])
    with serve(port=port) as server:
        expect(requests_shown(page)).to_have_text("21", timeout=15_000)
        expect(page.locator(".live-state")).to_have_text("Live", timeout=15_000)
        began = use(browser, server.url, used)
        assert shown_after(page, "22", began) < 2
        context.close()


def signs_out_elsewhere(person: User) -> None:
    Session.objects.filter(user=person).delete()


def is_switched_off(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False)


@pytest.mark.parametrize("act", [signs_out_elsewhere, is_switched_off])
def test_a_page_ends_with_its_session(act: Callable[[User], None], used: User, open_page: Open) -> None:
    page = open_page("/", person=used)
    expect(page.locator(".live-state")).to_have_text("Live")
    asked: list[str] = []
    act(used)
    expect(page.get_by_text("You are signed out here.")).to_be_visible(timeout=3_000)
    expect(page.locator(".live-state")).to_be_hidden()
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3_000)
    assert asked == []


def test_a_hidden_page_gives_its_stream_to_others(used: User, site: Site, browser: Browser, open_page: Open) -> None:
    page = open_page("/", person=used)
    expect(page.locator(".live-state")).to_have_text("Live")
    page.evaluate(HIDE, True)
    use(browser, site.url, used)
    page.wait_for_timeout(2_500)
    assert requests_shown(page).inner_text() == "20"
    page.evaluate(HIDE, False)
    expect(requests_shown(page)).to_have_text("21", timeout=2_000)


def test_another_persons_usage_does_not_wake_it(
    used: User, bob: User, site: Site, browser: Browser, open_page: Open
) -> None:
    page = open_page("/", person=used)
    expect(page.locator(".live-state")).to_have_text("Live")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    use(browser, site.url, bob)
    page.wait_for_timeout(2_500)
    assert asked == []


def test_a_page_does_not_become_another_persons(used: User, bob: User, browser: Browser) -> None:
    with serve(LIVE_STREAMS="0") as server:
        context = context_of(browser, server.url, used)
        page = context.new_page()
        page.goto("/")
        expect(page.locator(".live-state")).to_have_text("Updated every few seconds")
        cookie = signed_in(bob).cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": server.url}])
        expect(page.get_by_text("You are signed out here.")).to_be_visible(timeout=8_000)
        assert requests_shown(page).inner_text() == "20"
        context.close()
