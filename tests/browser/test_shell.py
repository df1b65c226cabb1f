"""What surrounds every page: the connection, waiting, messages with an action, and that nothing jumps."""

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Route, expect

from accounts.models import User
from apikeys import vault
from tests.browser.conftest import Open, Site
from tests.conftest import signed_in
from wavelength.envelope import Secret

SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifts.push(entry.value);
  }).observe({type: "layout-shift", buffered: true});
}"""


@pytest.fixture
def with_key(alice: User) -> User:
    vault.store_key(user_id=alice.pk, provider="openai", secret=Secret("sk-proj-0f3a5b7c9d1e2f4a6b8c"), key_name="Mine")
    return alice


SUM = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(
  () => done(shifts.reduce((sum, shift) => sum + shift, 0)), 100)))"""
KEPT = """async () => {
  const kept = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
  return kept.flat().map((request) => new URL(request.url).pathname);
}"""


def choose(page: Page, item: str) -> None:
    """From the menu of the only key."""
    page.get_by_role("button", name="More for").click()
    page.locator(".menu .nav-link", has_text=item).last.click()


def shifted(page: Page) -> float:
    total: float = page.evaluate(SUM)
    return total


def test_nothing_shifts_at_load_or_on_a_swap(with_key: User, open_page: Open) -> None:
    page = open_page("/keys/", person=with_key)
    page.evaluate(SHIFTS)
    # Not with the pointer: what follows an input within half a second does not count as a shift.
    page.locator(".menu .nav-link", has_text="Switch off").evaluate("button => button.click()")
    expect(page.locator(".menu .nav-link", has_text="Switch on")).to_have_count(1)

    assert shifted(page) == 0
    # The measure itself sees a shift.
    page.evaluate("document.querySelector('#keys').style.setProperty('margin-top', '80px')")
    assert shifted(page) > 0


def test_the_focus_stays_where_it_was_over_a_swap(with_key: User, open_page: Open) -> None:
    page = open_page("/keys/", person=with_key)
    check = page.get_by_role("button", name="Check OpenAI")
    check.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#keys").get_by_text("Refused")).to_be_visible()
    expect(check).to_be_focused()


def test_the_focus_goes_to_what_came_where_its_place_is_gone(with_key: User, open_page: Open) -> None:
    page = open_page("/keys/", person=with_key)
    choose(page, "Delete")
    page.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.matches('#main, #keys *')")


def test_a_lost_connection_is_said_and_a_page_is_kept_for_it(alice: User, open_page: Open) -> None:
    # A page that asks for nothing by itself, which would fail now.
    page = open_page("/profile/", person=alice)
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.context.set_offline(True)
    expect(page.get_by_text("No connection. What you see may be old")).to_be_visible()
    page.goto("/usage/")
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.button-primary')).borderRadius") != "0px"
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Usage", level=1)).to_be_visible()
    kept = page.evaluate(KEPT)
    assert all(path == "/offline/" or path.startswith("/static/") for path in kept), kept


def test_a_failed_request_is_said(with_key: User, site: Site, browser: Browser) -> None:
    # Not watched: a request that fails is told to the console as well.
    context = browser.new_context(base_url=site.url)
    cookie = signed_in(with_key).cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site.url}])
    page = context.new_page()
    page.goto("/keys/")
    page.route("**/activation/", lambda route: route.abort())
    choose(page, "Switch off")
    expect(page.locator("#toasts").get_by_text("The server cannot be reached")).to_be_visible()
    page.locator("#toasts").get_by_role("button", name="Dismiss").click()
    expect(page.locator(".toast")).to_have_count(0)
    context.close()


def test_a_slow_request_says_that_it_is_under_way(with_key: User, open_page: Open) -> None:
    page = open_page("/keys/", person=with_key)
    page.route("**/activation/", lambda route: None)
    choose(page, "Switch off")
    expect(page.locator("#keys")).to_have_attribute("aria-busy", "true")
    expect(page.locator("html")).to_have_attribute("data-underway", "")


def test_the_person_menu_works_by_keyboard_and_without_script(alice: User, open_page: Open) -> None:
    for script in (True, False):
        page = open_page("/usage/", person=alice, script=script)
        page.get_by_role("button", name="Your account").click()
        page.get_by_role("link", name="Profile").last.click()
        expect(page.get_by_role("heading", name="Profile", level=1)).to_be_visible()


def test_a_form_is_sent_once(alice: User, open_page: Open) -> None:
    page = open_page("/accounts/login/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("wrong")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.route("**/login/", lambda route: None if route.request.method == "POST" else route.continue_())
    sign_in = page.get_by_role("button", name="Sign in", exact=True)
    busy = sign_in.evaluate("button => { button.click(); button.click(); return button.getAttribute('aria-busy'); }")
    page.wait_for_timeout(300)
    assert (busy, len(sent)) == ("true", 1)


def test_what_is_typed_while_the_script_arrives_is_kept(open_page: Open) -> None:
    page = open_page("/privacy/")
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route("**/js/portal*.js", hold)
    page.goto("/accounts/login/", wait_until="commit")
    field = page.get_by_label("Password")
    field.press_sequentially("correct horse ")
    expect(page.get_by_role("button", name="Show")).to_have_count(0)
    late[0].continue_()
    page.get_by_role("button", name="Show").wait_for()
    page.keyboard.type("battery")

    expect(field).to_have_value("correct horse battery")
