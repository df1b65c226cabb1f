"""The pages without a pointer."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.addresses import ANYWAY, INSIDE, OUTSIDE
from tests.browser.conftest import Open
from tests.browser.test_pages_accessible import full, links

__all__ = ["full", "links"]

PHONE = {"width": 360, "height": 740}
# What Tab must reach: of a group of radios, one of them.
TO_REACH = """() => {
  const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const all = [...document.querySelectorAll(kinds)];
  window.one = (it) => (it.type === "radio" ? it.form.elements[it.name] : it);
  window.toReach = new Set(all.filter((it) => !it.disabled && it.tabIndex >= 0 && it.checkVisibility()).map(one));
  window.reached = new Set();
  window.faults = [];
  return window.toReach.size + 3 * document.querySelectorAll("[type=date]").length;
}"""
# Where the focus is now, and whether it can be seen: its ring stands on it, or on what it belongs to.
STEP = """() => {
  const it = document.activeElement;
  if (it === document.body || (it !== window.last && reached.has(it))) return false;
  const told = it.outerHTML.slice(0, 150);
  const style = (on) => (on ? getComputedStyle(on) : {outlineStyle: "none"});
  const ringed = (on) => style(on).outlineStyle !== "none" && parseFloat(style(on).outlineWidth) >= 2;
  const places = [it, it.closest("label"), it.parentElement, it.nextElementSibling];
  if (!places.some(ringed)) faults.push(`no ring: ${told}`);
  const box = it.getBoundingClientRect();
  const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  if (!seen) faults.push(`out of sight: ${told}`);
  window.last = it;
  reached.add(it);
  toReach.delete(one(it));
  return true;
}"""
LEFT = "() => [...faults, ...[...toReach].map((it) => `not reached: ${it.outerHTML ?? it[0].outerHTML}`.slice(0, 150))]"


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


def walk(page: Page) -> list[str]:
    """Tab through a page, from its beginning to its end; what cannot be reached, or not be seen with the focus."""
    most = page.evaluate(TO_REACH) + 20
    # Where a page begins in a field, what is before it comes the second time round.
    rounds = 2 if page.evaluate("document.activeElement !== document.body") else 1
    for _ in range(most):
        page.keyboard.press("Tab")
        if not page.evaluate(STEP):
            rounds -= 1
        if not rounds:
            break
    else:
        return ["the focus does not come out"]
    left: list[str] = page.evaluate(LEFT)
    return left


@pytest.mark.parametrize("size", [None, PHONE], ids=["wide", "phone"])
def test_every_control_is_reached_and_seen(
    size: Any, full: dict[str, Any], links: dict[str, str], alice: User, open_page: Open
) -> None:
    faults = {}
    for paths, names, options in ((INSIDE, full, {"person": alice}), (OUTSIDE, links, {})):
        page = open_page("about:blank", **options, **({"viewport": size} if size else {}))
        for path in paths if paths is OUTSIDE else (path for path in paths if path not in ANYWAY):
            page.goto(path.format(**names))
            if found := walk(page):
                faults[path] = found
    assert faults == {}, "\n".join(f"{path}: {fault}" for path, found in faults.items() for fault in found)
