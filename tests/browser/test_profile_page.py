"""The profile as a person fills it in, with script and without."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from accounts.models import Profile, User
from tests.browser.conftest import Open
from wavelength.tenancy import tenant


def stored(person: User) -> Profile:
    with tenant(person.pk):
        return Profile.objects.get()


def save(page: Page, section: str) -> None:
    page.locator(f"#{section}-save").click()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "me.png"
    Image.new("RGB", (400, 200), "teal").save(file)
    return file


@pytest.mark.parametrize("script", [True, False])
def test_it_works(script: bool, alice: User, open_page: Open) -> None:
    page = open_page("/profile/", person=alice, script=script, timezone_id="America/New_York")
    page.get_by_label("Name").fill("Alice L.")
    page.get_by_label("About you").last.fill("Writes letters.")
    save(page, "about")
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    expect(page.locator("#side")).to_contain_text("Alice L.")

    if script:
        expect(page.get_by_label("Time zone")).to_have_value("America/New_York")
        expect(page.get_by_text("Guessed from this browser.")).to_be_visible()
    page.get_by_label("Time zone").fill("Mars/Olympus")
    page.get_by_text("Dark", exact=True).click()
    save(page, "region")
    expect(page.get_by_text("There is no such time zone.")).to_be_visible()
    expect(page.get_by_label("Time zone")).to_have_value("Mars/Olympus")
    page.get_by_label("Time zone").fill("europe/berlin")
    save(page, "region")
    expect(page.get_by_text("Your settings are saved.")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.get_by_label("Model of new chats").fill("openai/gpt-4o")
    page.get_by_label("Show costs").uncheck()
    save(page, "chat")
    expect(page.get_by_text("Your chat settings are saved.")).to_be_visible()
    page.get_by_label("A quota runs low").uncheck()
    save(page, "mails")
    expect(page.get_by_text("Your choice of mails is saved.")).to_be_visible()

    page.reload()
    expect(page.get_by_label("Show costs")).not_to_be_checked()
    expect(page.get_by_label("A quota runs low")).not_to_be_checked()
    profile = stored(alice)
    assert (profile.display_name, profile.timezone, profile.theme) == ("Alice L.", "Europe/Berlin", "dark")
    assert profile.preferences == {"defaultModel": "openai/gpt-4o", "showCosts": False}


def test_saving_leaves_the_rest_of_the_page_as_it_is(alice: User, open_page: Open) -> None:
    page = open_page("/profile/", person=alice)
    page.get_by_label("Name").fill("Not saved yet")
    page.get_by_label("Show tokens").uncheck()
    page.locator("#chat-save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your chat settings are saved.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Not saved yet")
    expect(page.locator("#chat-save")).to_be_focused()


def test_another_language_is_spoken_at_once(alice: User, open_page: Open) -> None:
    page = open_page("/profile/", person=alice)
    page.get_by_label("Language", exact=True).select_option("de")
    save(page, "region")
    expect(page.locator("html")).to_have_attribute("lang", "de")


@pytest.mark.parametrize("script", [True, False])
def test_a_picture(script: bool, alice: User, picture: Path, open_page: Open) -> None:
    page = open_page("/profile/", person=alice, script=script)
    page.get_by_label("Choose a picture").set_input_files(picture)
    if script:
        expect(page.get_by_role("img", name="The picture you chose")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Your picture is changed.")).to_be_visible()
    expect(page.locator("#picture [data-current] img")).to_be_visible()
    expect(page.locator("#side img.avatar")).to_have_count(1)
    page.get_by_role("button", name="Remove the picture").click()
    expect(page.get_by_text("Your picture is removed.")).to_be_visible()
    assert not stored(alice).avatar


@pytest.mark.parametrize("script", [True, False])
def test_what_is_no_picture(script: bool, alice: User, tmp_path: Path, open_page: Open) -> None:
    file = tmp_path / "me.png"
    file.write_text("no picture")
    page = open_page("/profile/", person=alice, script=script)
    page.get_by_label("Choose a picture").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("must be a JPEG, PNG or WebP file")).to_be_visible()
    expect(page.locator("#picture [data-current]")).to_be_visible()
