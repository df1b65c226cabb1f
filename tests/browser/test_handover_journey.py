"""From signing up to seeing one's figures: the main job, as a person does it."""

import json
import re

from playwright.sync_api import Page, expect

from accounts.models import AnonymousSession
from tests.browser.conftest import SAMPLES, Open, Site

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
    assert AnonymousSession.objects.get(anonymous_id=small_id).claimed_by.email == "ada@example.com"  # type: ignore[union-attr]  # it was claimed
    expect(page.locator("[data-found=messages]")).to_have_text(str(small_counts["messages"]))
    page.get_by_role("button", name="Show what would come").first.click()
    page.get_by_role("button", name="Bring it in").click()
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


def test_it_works_without_script(site: Site, open_page: Open, small_counts: dict[str, int]) -> None:
    """Signing up, the letter, the hand-over of a saved store, and the overview of it."""
    page = open_page("/", script=False)
    page.get_by_role("link", name="Create your account").click()
    page.get_by_label("Email").fill("katherine@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    confirm(site, page, "katherine@example.com")
    page.goto("/accounts/login/")
    if page.url.endswith("/login/"):
        page.get_by_label("Email").fill("katherine@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    page.get_by_role("link", name="Bring chats").first.click()
    page.get_by_label("Drop a file here, or choose one").set_input_files(SAMPLES / "small.json")
    page.get_by_role("button", name="Bring it in").click()
    expect(page.get_by_role("heading", name="Everything arrived")).to_be_visible()
    page.goto("/")
    figures = page.locator(".stats")
    expect(figures.locator(".stat", has_text="Chats")).to_contain_text(str(small_counts["chats"]))
    expect(figures.locator(".stat", has_text="Messages")).to_contain_text(str(small_counts["messages"]))
    expect(page.get_by_role("heading", name="Latest chats")).to_be_visible()
