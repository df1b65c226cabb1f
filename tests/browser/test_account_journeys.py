"""What a person does with the account itself: a forgotten password, another address, an archive, the end of it."""

import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Page, expect

from accounts import archives
from accounts.models import User
from tests.browser.conftest import Open, Site
from tests.browser.test_pages_accessible import check
from tests.conftest import PASSWORD

WITH_AND_WITHOUT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
ANOTHER = "quite another horse battery"


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def confirm(page: Page) -> None:
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def look(page: Page, script: bool) -> None:
    """axe is a script."""
    if script:
        assert check(page) == []


@WITH_AND_WITHOUT
def test_a_forgotten_password(script: bool, alice: User, site: Site, open_page: Open) -> None:
    page = open_page("/accounts/login/", script=script)
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(alice.email)
    page.get_by_role("main").get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    link = re.search(r"http\S+/password/reset/key/\S+", site.mail.letter_to(alice.email).text)
    assert link is not None
    page.goto(link[0])
    page.get_by_label("New Password", exact=True).fill("short")
    page.get_by_label("New Password (again)").fill("short")
    page.get_by_role("main").locator("button[type=submit]").click()
    expect(page.locator(".errorlist").first).to_contain_text("10 characters")
    look(page, script)
    page.get_by_label("New Password", exact=True).fill(ANOTHER)
    page.get_by_label("New Password (again)").fill(ANOTHER)
    page.get_by_role("main").locator("button[type=submit]").click()
    expect(page.get_by_label("New Password", exact=True)).to_have_count(0)
    sign_in(page, alice.email, ANOTHER)
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()


@WITH_AND_WITHOUT
def test_another_address(script: bool, alice: User, site: Site, open_page: Open) -> None:
    address = f"alice-{script}@new.example".lower()  # letters stay from one test to the next
    page = open_page("/profile/", person=alice, script=script)
    page.locator('main a[href="/accounts/email/"]').click()
    page.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Change address").click()
    confirm(page)
    expect(page.locator("main").get_by_text("We have sent a message to")).to_contain_text(address)
    look(page, script)
    link = re.search(r"http\S+/confirm-email/\S+", site.mail.letter_to(address).text)
    assert link is not None
    page.goto(link[0])
    page.get_by_role("button", name="Confirm").click()
    page.goto("/profile/")
    expect(page.locator("main").get_by_text(address)).to_be_visible()


@WITH_AND_WITHOUT
def test_an_archive(script: bool, alice: User, site: Site, open_page: Open, tmp_path: Path) -> None:
    page = open_page("/privacy/", script=script)
    sign_in(page, alice.email)
    page.goto("/privacy/")
    page.get_by_role("button", name="Make an archive").click()
    confirm(page)
    if page.get_by_role("button", name="Make an archive").count():
        page.get_by_role("button", name="Make an archive").click()
    expect(page.get_by_text("Your archive is being made since")).to_be_visible()
    look(page, script)
    # The worker's part.
    assert archives.make(user_id=alice.pk)
    page.reload()
    expect(page.get_by_text("Your archive is ready")).to_be_visible()
    look(page, script)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    started.value.save_as(tmp_path / "archive.zip")
    with ZipFile(tmp_path / "archive.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist()


@WITH_AND_WITHOUT
def test_an_erasure_is_asked_for_and_called_off(script: bool, alice: User, site: Site, open_page: Open) -> None:
    page = open_page("/privacy/", script=script)
    sign_in(page, alice.email)
    page.goto("/privacy/")
    page.get_by_role("link", name="Erase", exact=True).click()
    confirm(page)
    page.get_by_label("Your e-mail address, to confirm").fill("someone@example.com")
    page.get_by_role("button", name="Erase the account").click()
    expect(page.locator(".errorlist")).to_contain_text("not the address of this account")
    expect(page.get_by_label("Your e-mail address, to confirm")).to_have_value("someone@example.com")
    look(page, script)
    page.get_by_label("Your e-mail address, to confirm").fill(alice.email)
    page.get_by_role("button", name="Erase the account").click()
    expect(page.get_by_text("Until then you can call it off here.")).to_be_visible()
    expect(page.locator("#leave").get_by_role("status")).to_contain_text("It happens on")
    look(page, script)
    assert "erased" in site.mail.letter_to(alice.email).text
    page.get_by_role("button", name="Call it off").click()
    expect(page.get_by_text("Your account stays.")).to_be_visible()
    expect(page.get_by_role("link", name="Erase", exact=True)).to_be_visible()
    look(page, script)
