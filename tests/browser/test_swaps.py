"""What changes in place: nothing around it jumps, and the focus is where it was, or where it goes on."""

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.conftest import Open
from tests.browser.test_pages_accessible import full
from tests.browser.test_shell import SHIFTS, shifted
from usage.metering import BatchRecord, Tokens, record_batch

__all__ = ["full"]

# Through the keyboard's way, but not as input: what follows an input within half a second would not count as a shift.
PRESS = "it => { it.focus(); it.click(); }"
CHANGE = """(it) => {
  it.focus();
  if (it.options) it.selectedIndex = it.options.length - 1;
  else it.value = "postgresql";
  it.dispatchEvent(new Event(it.options ? "change" : "input", {bubbles: true}));
}"""
SWAPPED = "() => { window.swapped = 0; document.addEventListener('htmx:afterSettle', () => (window.swapped += 1)); }"
# Nothing has the focus that cannot be seen; the body has it when it was lost.
PLACED = """() => {
  const it = document.activeElement, box = it.getBoundingClientRect();
  return it !== document.body && it.checkVisibility() && box.bottom > 0 && box.top < innerHeight;
}"""


@dataclass(frozen=True, slots=True)
class Swap:
    """On this page, this control; where the focus is to be afterwards, if not on it."""

    path: str
    control: str
    focus: str = ""
    act: str = PRESS
    opener: str = ""


SWAPS = {
    "profile: about": Swap("/profile/", "#about-save"),
    "profile: region": Swap("/profile/", "#region-save"),
    "profile: chat": Swap("/profile/", "#chat-save"),
    "profile: mails": Swap("/profile/", "#mails-save"),
    "keys: add": Swap("/keys/", "a[href='/keys/new/']", focus="dialog :focus"),
    "keys: check": Swap("/keys/", "[id^=check-]"),
    "keys: edit": Swap("/keys/", "#keys .menu a", focus="dialog :focus", opener="[id^=menu-]"),
    "keys: switch off": Swap("/keys/", "#keys .menu form button", focus="[id^=menu-]:focus", opener="[id^=menu-]"),
    "developers: revoke": Swap("/developers/", "#tokens a", focus="dialog :focus"),
    "chats: provider": Swap("/chats/", "#id_provider", act=CHANGE),
    "chats: sort": Swap("/chats/", "#id_sort", act=CHANGE),
    "chats: search": Swap("/chats/", "[type=search]", act=CHANGE),
    "chat: rename": Swap("/chats/{chat}/", "#rename", focus="#heading input:focus"),
    "chat: delete": Swap(
        "/chats/{chat}/", "#chat-menu form button", focus="dialog :focus", opener="[popovertarget=chat-menu]"
    ),
    "chat: share": Swap("/chats/{chat}/", "#share", focus="dialog :focus"),
    "usage: period": Swap("/usage/", "nav a[href*='period=all']"),
    "usage: by provider": Swap("/usage/", "nav a[href*='by=provider']"),
    "usage: sort": Swap("/usage/", ".sort >> nth=1"),
    "usage: filter": Swap("/usage/?period=all", "#id_provider", act=CHANGE),
    "usage: budget": Swap("/usage/", "#quotas a[href='/usage/budgets/new/']", focus="dialog :focus"),
}


@pytest.fixture
def used(full: dict[str, Any], alice: User) -> dict[str, Any]:
    record = BatchRecord("openai", "gpt-4o", Tokens(1_000, 2_000))
    record_batch(user_id=alice.pk, records=[record] * 5)
    return full


def swap(page: Page, asked: Swap, names: dict[str, Any]) -> None:
    page.goto(asked.path.format(**names))
    page.wait_for_load_state("networkidle")
    page.evaluate(SHIFTS)
    page.evaluate("shifts.length = 0")
    page.evaluate(SWAPPED)
    if asked.opener:
        page.locator(asked.opener).first.evaluate(PRESS)
    page.locator(asked.control).first.evaluate(asked.act)
    before = page.evaluate("scrollY")
    page.wait_for_function("() => window.swapped > 0")
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") == before


@pytest.mark.parametrize("name", SWAPS)
def test_nothing_jumps_and_the_focus_is_placed(name: str, used: dict[str, Any], alice: User, open_page: Open) -> None:
    asked = SWAPS[name]
    page = open_page("about:blank", person=alice)
    swap(page, asked, used)
    assert page.evaluate(PLACED), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    where = asked.focus or f"{asked.control.partition(' >> ')[0]}:focus"
    expect(page.locator(where)).to_have_count(1)
    assert shifted(page) < 0.01
