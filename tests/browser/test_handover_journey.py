"""From signing up to seeing one's figures: the main job, as a person does it."""

import json
import re
from pathlib import Path

from django.conf import settings
from playwright.sync_api import Page, expect

from accounts.models import AnonymousSession, User
from chats.models import Chat
from tests.browser.conftest import SAMPLES, Open, Site
from wavelength.tenancy import tenant

PASSWORD = "correct horse battery staple"


def put_store(page: Page, text: str) -> None:
    page.evaluate("text => localStorage.setItem('wavelength-store', text)", text)


def confirm(site: Site, page: Page, email: str) -> None:
    letter = site.mail.letter_to(email)
    link = re.search(r"http\S+", letter.text)
    assert link is not None, letter.text
    page.goto(link[0])
    page.get_by_role("button", name="Confirm").click()


def test_it_works(site: Site, open_page: Open, small_store: str, small_counts: dict[str, int]) -> None:
    kept = json.loads(small_store)
    kept["state"]["anonymousId"] = small_id = "browser-of-ada"
    small_store = json.dumps(kept)
    page = open_page("/")
    put_store(page, small_store)
    page.get_by_role("link", name="Create your account").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()

    confirm(site, page, "ada@example.com")
    if page.url.endswith("/login/"):
        page.get_by_label("Email").fill("ada@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
    # The sign-up page saw what this browser holds, so this is where the first sign-in leads.
    expect(page.get_by_role("heading", name="Found in this browser")).to_be_visible()
    assert AnonymousSession.objects.get(anonymous_id=small_id).claimed_by.email == "ada@example.com"  # type: ignore[union-attr]
    expect(page.locator("[data-found=messages]")).to_have_text(str(small_counts["messages"]))
    page.get_by_role("button", name="Bring them in").click()
    expect(page.get_by_role("heading", name="Everything arrived")).to_be_visible()
    expect(page.locator("[data-report=chats]")).to_have_text(str(small_counts["chats"]))
    # The browser's own copy stays where it is.
    assert page.evaluate("localStorage.getItem('wavelength-store')") == small_store

    page.goto("/")
    figures = page.locator(".stats")
    expect(figures.locator(".stat", has_text="Chats")).to_contain_text(str(small_counts["chats"]))
    expect(figures.locator(".stat", has_text="Messages")).to_contain_text(str(small_counts["messages"]))
    expect(page.get_by_role("heading", name="Latest chats")).to_be_visible()


def test_an_id_in_the_address_is_carried_without_script(site: Site, open_page: Open) -> None:
    page = open_page("/?anonymous_id=carried-without-script", script=False)
    assert page.url == f"{site.url}/"
    expect(page.get_by_text("You have chatted in this browser already.")).to_be_visible()
    page.get_by_role("link", name="Create your account").click()
    page.get_by_label("Email").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    confirm(site, page, "grace@example.com")
    claimed = AnonymousSession.objects.select_related("claimed_by").get(anonymous_id="carried-without-script")
    assert claimed.claimed_by is not None
    assert claimed.claimed_by.email == "grace@example.com"


def test_a_second_time_brings_nothing_new(alice: User, open_page: Open, small_store: str) -> None:
    page = open_page("/import/", person=alice)
    put_store(page, small_store)
    for title in ("Everything arrived", "Nothing new: all of it was here already"):
        page.reload()
        page.get_by_role("button", name="Bring them in").click()
        expect(page.get_by_role("heading", name=title)).to_be_visible()


def test_a_file_with_faults_says_which(alice: User, open_page: Open) -> None:
    page = open_page("/import/", person=alice)
    page.get_by_label("Drop a file here, or choose one").set_input_files(SAMPLES / "hostile.json")
    start = page.get_by_role("button", name="Bring them in")
    problem = page.locator("[data-part=problem]")
    expect(start.or_(problem)).to_be_visible()
    if start.is_visible():
        start.click()
        expect(page.get_by_role("heading", name="Could not be taken")).to_be_visible()
        assert page.locator("[data-report-list=errors] li").count() > 0


def test_a_file_that_is_none_is_refused(alice: User, open_page: Open, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"notes": []}')
    page = open_page("/import/", person=alice)
    page.get_by_label("Drop a file here, or choose one").set_input_files(other)
    expect(page.get_by_role("alert").filter(has_text="neither a saved Wavelength store")).to_be_visible()


def test_it_works_without_script(alice: User, open_page: Open, small_counts: dict[str, int]) -> None:
    page = open_page("/import/", person=alice, script=False)
    page.get_by_label("Drop a file here, or choose one").set_input_files(SAMPLES / "small.json")
    page.get_by_role("button", name="Send the file").click()
    expect(page.get_by_role("heading", name="Everything arrived")).to_be_visible()
    page.get_by_role("link", name="See your chats").click()
    expect(page.locator(".rows > li")).to_have_count(small_counts["chats"])
    with tenant(alice.pk):
        assert Chat.objects.count() == small_counts["chats"]
    assert settings.SESSION_COOKIE_HTTPONLY
