"""Keys as a person handles them, with script and without."""

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from tests.browser.conftest import OPENAI_KEY, Open, Site
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

WRONG = "sk-proj-wrong-0f3a5b7c9d1e2f4a0000"


@pytest.fixture
def key(alice: User) -> ApiKey:
    return vault.store_key(user_id=alice.pk, provider="openai", secret=Secret(OPENAI_KEY), key_name="Work")


def row(page: Page) -> Locator:
    return page.locator(".keys > li")


def choose(page: Page, item: str) -> None:
    """From the menu of the only key."""
    row(page).get_by_role("button", name="More for").click()
    row(page).locator(".menu .nav-link", has_text=item).click()


def stored(person: User) -> list[str | None]:
    with tenant(person.pk):
        return list(ApiKey.objects.values_list("hint", flat=True))


@pytest.mark.parametrize("script", [True, False])
def test_it_works(script: bool, alice: User, open_page: Open) -> None:
    """Add, test, limit, delete."""
    page = open_page("/keys/", person=alice, script=script)
    page.get_by_role("link", name="Add your first key").click()
    form = page.get_by_role("dialog") if script else page.locator("main")
    expect(form.get_by_role("heading", name="Add a key")).to_be_visible()
    expect(form.get_by_role("link", name="openrouter.ai/settings/keys")).to_be_visible()
    form.locator("label", has_text="OpenAI").click()
    expect(form.get_by_role("link", name="openrouter.ai/settings/keys")).to_be_hidden()
    place = form.get_by_role("link", name="platform.openai.com/api-keys")
    expect(place).to_have_attribute("rel", "noopener noreferrer")
    secret = form.get_by_label("Key", exact=True)

    def paste(text: str) -> None:
        # Without script what was pasted is gone after each step, and the page says so.
        if not script:
            expect(secret).to_have_value("")
        secret.fill(text)

    secret.fill("sk-ant-of-another-house-0000")
    form.get_by_role("button", name="Test").click()
    expect(form.get_by_text("This looks like a key for Anthropic")).to_be_visible()
    paste(f"  {OPENAI_KEY} ")
    form.get_by_role("button", name="Test").click()
    expect(form.get_by_text("OpenAI accepts this key.")).to_be_visible()
    assert stored(alice) == []
    if script:
        # It was tried, not stored, and still stands where it was pasted.
        expect(secret).to_have_value(f"  {OPENAI_KEY} ")
        expect(form.get_by_role("button", name="Test")).to_be_focused()
    else:
        expect(form.get_by_text("Paste the key again")).to_be_visible()
        secret.fill(OPENAI_KEY)
    form.get_by_label("Name").fill("Work")
    form.get_by_text("Limits and address").click()
    form.get_by_label("Requests a day").fill("50")
    form.get_by_role("button", name="Add key").click()

    expect(page.get_by_text("Your OpenAI key is stored. It works.")).to_be_visible()
    for text in ("Work", "6b8c", "0 of 50", "Works", "Renews in"):
        expect(row(page)).to_contain_text(text)
    assert OPENAI_KEY not in page.content()

    choose(page, "Name and limits")
    page.get_by_label("Requests a day").fill("")
    page.get_by_label("Requests a month").fill("900")
    page.get_by_role("button", name="Save").click()
    expect(row(page)).to_contain_text("0 of 900")
    choose(page, "Delete")
    expect(page.get_by_text("It cannot be brought back")).to_be_visible()
    page.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    assert stored(alice) == []


@pytest.mark.parametrize("script", [True, False])
def test_a_refused_key_takes_a_second_step(script: bool, alice: User, open_page: Open) -> None:
    page = open_page("/keys/new/?provider=openai", person=alice, script=script)
    page.get_by_label("Key", exact=True).fill(WRONG)
    page.get_by_role("button", name="Add key").click()
    expect(page.get_by_text("OpenAI does not know this key.")).to_be_visible()
    assert stored(alice) == []
    if not script:
        page.get_by_label("Key", exact=True).fill(WRONG)
    page.get_by_role("button", name="Save anyway").click()
    if script:
        # The page itself has no list to show it in.
        page.wait_for_url("**/keys/")
    expect(row(page)).to_contain_text("Refused")
    expect(row(page)).to_contain_text("OpenAI does not know this key.")


def test_a_key_that_cannot_be_checked_is_said_to_be_so(site: Site, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice)
    page.get_by_role("link", name="Add your first key").click()
    page.locator("label", has_text="OpenAI").click()
    page.get_by_label("Key", exact=True).fill(OPENAI_KEY)
    site.openai.mode = "broken"
    try:
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("It can be stored, and checked later.")).to_be_visible()
        page.keyboard.press("Tab")
        page.get_by_label("Key", exact=True).press("Enter")
        expect(row(page)).to_contain_text("Not checked")
        expect(row(page)).to_contain_text("has a fault (500)")
    finally:
        site.openai.mode = "ok"
    row(page).get_by_role("button", name="Check").click()
    expect(row(page).locator(".badge")).to_have_text("Works")


@pytest.mark.parametrize("script", [True, False])
def test_a_key_is_checked_switched_and_edited(script: bool, key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice, script=script)
    row(page).get_by_role("button", name="Check").click()
    expect(page.get_by_text("OpenAI accepts this key.")).to_be_visible()
    expect(row(page).locator(".badge")).to_have_text("Works")

    choose(page, "Switch off")
    expect(row(page).locator(".badge")).to_have_text("Off")
    if script:
        expect(row(page).get_by_role("button", name="More for")).to_be_focused()
    choose(page, "Switch on")
    expect(row(page).locator(".badge")).to_have_text("Works")

    choose(page, "Name and limits")
    page.get_by_label("Name").fill("Home")
    page.get_by_role("button", name="Save").click()
    expect(row(page)).to_contain_text("Home")
    if script:
        # The focus is back where it came from.
        expect(row(page).get_by_role("button", name="More for")).to_be_focused()


@pytest.mark.parametrize("script", [True, False])
def test_a_key_is_replaced(script: bool, key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice, script=script)
    choose(page, "Replace")
    page.get_by_label("Key", exact=True).fill(WRONG)
    page.get_by_role("button", name="Replace key").click()
    expect(page.get_by_text("OpenAI does not know this key.")).to_be_visible()
    assert stored(alice) == ["6b8c"]
    if not script:
        page.get_by_label("Key", exact=True).fill(WRONG)
    page.get_by_role("button", name="Save anyway").click()
    expect(row(page)).to_contain_text("0000")
    expect(row(page)).to_contain_text("Refused")
    page.goto("/")
    expect(page.get_by_text("does not know this key").first).to_be_visible()


def test_a_menu_works_by_keyboard(key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice)
    row(page).get_by_role("button", name="More for").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(row(page).locator(".menu .nav-link").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(row(page).locator(".menu")).to_be_hidden()
    expect(row(page).get_by_role("button", name="More for")).to_be_focused()


def test_a_dialog_closes_with_escape_and_leaves_nothing(key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice)
    choose(page, "Delete")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row(page)).to_have_count(1)
    expect(row(page).get_by_role("button", name="More for")).to_be_focused()
