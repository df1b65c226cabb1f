"""Keys as a person handles them, with script and without."""

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from tests.browser.conftest import OPENAI_KEY, Open
from wavelength.envelope import Secret


@pytest.fixture
def key(alice: User) -> ApiKey:
    return vault.store_key(user_id=alice.pk, provider="openai", secret=Secret(OPENAI_KEY), key_name="Work")


def row(page: Page) -> Locator:
    return page.locator(".keys > li")


@pytest.mark.parametrize("script", [True, False])
def test_it_works(script: bool, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice, script=script)
    page.get_by_role("link", name="Add your first key").click()
    form = page.get_by_role("dialog") if script else page.locator("main")
    expect(form.get_by_role("heading", name="Add a key")).to_be_visible()
    form.get_by_label("Provider").select_option("openai")
    form.get_by_label("Key", exact=True).fill("sk-ant-of-another-house-0000")
    form.get_by_role("button", name="Add key").click()
    expect(form.get_by_text("This looks like a key for Anthropic")).to_be_visible()
    expect(form.get_by_label("Key", exact=True)).to_have_value("")
    form.get_by_label("Key", exact=True).fill(f"  {OPENAI_KEY} ")
    form.get_by_label("Name").fill("Work")
    form.get_by_text("Limits and address").click()
    form.get_by_label("Requests a day").fill("50")
    form.get_by_role("button", name="Add key").click()

    expect(page.get_by_text("Your OpenAI key is stored.")).to_be_visible()
    expect(row(page)).to_contain_text("Work")
    expect(row(page)).to_contain_text("6b8c")
    expect(row(page)).to_contain_text("0 of 50")
    expect(row(page)).to_contain_text("Not checked")
    assert OPENAI_KEY not in page.content()


@pytest.mark.parametrize("script", [True, False])
def test_a_key_is_checked_switched_and_edited(script: bool, key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice, script=script)
    row(page).get_by_role("button", name="Check").click()
    expect(page.get_by_text("OpenAI accepts this key.")).to_be_visible()
    expect(row(page)).to_contain_text("Works")

    row(page).get_by_role("button", name="Switch off").click()
    expect(row(page).locator(".badge")).to_have_text("Off")
    row(page).get_by_role("button", name="Switch on").click()
    expect(row(page).locator(".badge")).to_have_text("Works")

    row(page).get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill("Home")
    page.get_by_role("button", name="Save").click()
    expect(row(page)).to_contain_text("Home")
    if script:
        # The focus is back where it came from.
        expect(row(page).get_by_role("link", name="Edit")).to_be_focused()


@pytest.mark.parametrize("script", [True, False])
def test_a_key_is_replaced_and_deleted(script: bool, key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice, script=script)
    row(page).get_by_role("link", name="Replace").click()
    page.get_by_label("Key", exact=True).fill("sk-proj-wrong-0f3a5b7c9d1e2f4a0000")
    page.get_by_role("button", name="Replace key").click()
    expect(row(page)).to_contain_text("0000")
    row(page).get_by_role("button", name="Check").click()
    expect(row(page)).to_contain_text("Does not work")
    page.goto("/")
    expect(page.get_by_text("does not know this key")).to_be_visible()

    page.goto("/keys/")
    row(page).get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()


def test_a_dialog_closes_with_escape_and_leaves_nothing(key: ApiKey, alice: User, open_page: Open) -> None:
    page = open_page("/keys/", person=alice)
    row(page).get_by_role("link", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row(page)).to_have_count(1)
    expect(row(page).get_by_role("link", name="Delete")).to_be_focused()
