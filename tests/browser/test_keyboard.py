"""The pages without a pointer."""

from playwright.sync_api import expect

from accounts.models import User
from tests.browser.conftest import Open

PHONE = {"width": 360, "height": 740}


def test_the_first_key_leads_past_the_navigation(alice: User, open_page: Open) -> None:
    page = open_page("/", person=alice)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Bring chats")).to_be_focused()


def test_the_menu_opens_and_gives_the_focus_back(alice: User, open_page: Open) -> None:
    page = open_page("/", person=alice, viewport=PHONE)
    menu = page.get_by_role("button", name="Menu")
    expect(page.get_by_role("navigation", name="Portal")).to_be_hidden()
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Portal")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("navigation", name="Portal")).to_be_hidden()
    expect(menu).to_be_focused()


def test_the_menu_needs_no_script(alice: User, open_page: Open) -> None:
    page = open_page("/", person=alice, script=False, viewport=PHONE)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Chats", exact=True).click()
    expect(page.get_by_role("heading", name="Chats", level=1)).to_be_visible()


def test_a_theme_is_seen_at_once_and_kept(alice: User, open_page: Open) -> None:
    page = open_page("/profile/", person=alice, color_scheme="light")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("radio", name="System").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark
    page.get_by_role("region", name="Language and time").get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_be_visible()
    page.goto("/")
    # Written by the server: there is no moment in which the page is light.
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_message_of_success_goes_away(alice: User, open_page: Open) -> None:
    page = open_page("/profile/", person=alice)
    page.clock.install()
    page.get_by_role("region", name="About you").get_by_role("button", name="Save").click()
    toast = page.locator(".toast")
    expect(toast).to_have_count(1)
    page.clock.run_for(7_000)
    expect(toast).to_have_count(0)
