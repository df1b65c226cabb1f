"""What a person does with their chats, with script and without."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from chats.models import Chat, Source
from chats.search import index_chats
from chats.sync import take_over
from tests.browser.conftest import SAMPLES, Open
from tests.browser.test_pages_accessible import check
from wavelength.tenancy import tenant

WITH_AND_WITHOUT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture
def chats(alice: User) -> list[Chat]:
    """Alice's chats, the latest updated first."""
    take_over(user_id=alice.pk, body=(SAMPLES / "rich.json").read_bytes(), source=Source.DEMO)
    index_chats(user_id=alice.pk)
    with tenant(alice.pk):
        return list(Chat.objects.newest_first())


@WITH_AND_WITHOUT
def test_search_open_share_and_withdraw(alice: User, chats: list[Chat], open_page: Open, script: bool) -> None:
    page = open_page("/chats/", person=alice, script=script)
    page.get_by_role("searchbox").fill("postgresql")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("mark").first).to_be_visible()
    page.locator(".row-link").first.click()
    expect(page.locator(".message").first).to_be_visible()
    title = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="Share").click()
    page.get_by_label("The link works for").select_option("1 day")
    page.get_by_role("button", name="Make a link").click()
    address = page.locator("#shared-address").input_value()
    path = address[address.index("/shared/") :]

    stranger = open_page(path, script=script)
    expect(stranger.get_by_role("heading", level=1)).to_have_text(title)
    expect(stranger.locator(".message").first).to_be_visible()
    assert alice.name not in stranger.content()
    assert stranger.context.cookies() == []
    if script:
        assert check(stranger) == []

    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("It shows nothing any more").first).to_be_visible()
    response = stranger.reload()
    assert response is not None
    assert response.status == 404
    expect(stranger.get_by_role("heading", name="This link shows nothing")).to_be_visible()


@WITH_AND_WITHOUT
def test_rename_in_place(alice: User, chats: list[Chat], open_page: Open, script: bool) -> None:
    page = open_page(f"/chats/{chats[0].pk}/", person=alice, script=script)
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Title").fill("Another \N{RIGHT-TO-LEFT OVERRIDE}title")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Another \N{RIGHT-TO-LEFT OVERRIDE}title")
    assert page.url.endswith(f"/chats/{chats[0].pk}/")
    if script:
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        page.get_by_role("link", name="Rename").click()
        expect(page.get_by_label("Title")).to_be_visible()
        page.get_by_role("link", name="Cancel").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()


@WITH_AND_WITHOUT
def test_delete_one_and_undo(alice: User, chats: list[Chat], open_page: Open, script: bool) -> None:
    chat = chats[0]
    page = open_page(f"/chats/{chat.pk}/", person=alice, script=script)
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete").click()
    (page.get_by_role("dialog") if script else page.locator("main")).get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The chat is deleted.")).to_be_visible()
    link = page.locator(f'.row-link[href="/chats/{chat.pk}/"]')
    expect(link).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The chat is back.")).to_be_visible()
    expect(link).to_have_count(1)


@WITH_AND_WITHOUT
def test_delete_many_and_put_one_back(alice: User, chats: list[Chat], open_page: Open, script: bool) -> None:
    page = open_page("/chats/?sort=created", person=alice, script=script)
    boxes = page.locator(".pick input")
    for place in (0, 2):
        boxes.nth(place).check()
    page.get_by_role("button", name="Delete ticked").click()
    expect(page.get_by_role("heading", name="Delete 2 chats?")).to_be_visible()
    (page.get_by_role("dialog") if script else page.locator("main")).get_by_role("button", name="Delete").click()
    expect(page.get_by_text("2 chats are deleted.")).to_be_visible()
    expect(page.get_by_text(f"{len(chats) - 2} chats").first).to_be_visible()
    assert "sort=created" in page.url
    page.goto("/chats/deleted/")
    expect(page.locator(".deleted-row")).to_have_count(2)
    page.get_by_role("button", name="Put back").first.click()
    expect(page.locator(".deleted-row")).to_have_count(1)


@WITH_AND_WITHOUT
def test_downloads_hold_what_the_chat_does(
    alice: User, chats: list[Chat], open_page: Open, script: bool, tmp_path: Path
) -> None:
    page = open_page(f"/chats/{chats[0].pk}/", person=alice, script=script)

    def download(name: str) -> str:
        page.get_by_role("button", name="More").click()
        with page.expect_download() as started:
            page.get_by_role("link", name=name).click()
        started.value.save_as(tmp_path / "file")
        page.keyboard.press("Escape")
        return (tmp_path / "file").read_text()

    stored: dict[str, Any] = json.loads(download("Download as JSON"))["chats"][0]
    shown: dict[str, Any] = json.loads(page.request.get(f"/api/chats/{chats[0].shown_id}").text())["data"]
    assert stored == shown
    text = download("Download as Markdown")
    for message in shown["messages"]:
        assert message["content"] in text


@WITH_AND_WITHOUT
def test_ticked_chats_are_one_file(
    alice: User, chats: list[Chat], open_page: Open, tmp_path: Path, script: bool
) -> None:
    page = open_page("/chats/", person=alice, script=script)
    for place in (0, 1):
        page.locator(".pick input").nth(place).check()
    for _again in range(2):
        with page.expect_download() as started:
            page.get_by_role("button", name="Download ticked").click()
        started.value.save_as(tmp_path / "file")
        assert len(json.loads((tmp_path / "file").read_text())["chats"]) == 2


def test_filters_change_the_address_and_keep_the_focus(alice: User, chats: list[Chat], open_page: Open) -> None:
    page = open_page("/chats/", person=alice)
    page.get_by_label("Provider").focus()
    page.get_by_label("Provider").select_option("Anthropic")
    expect(page.get_by_label("Model").locator("option")).to_have_count(
        1 + len({chat.model for chat in chats if chat.model.startswith("anthropic/")})
    )
    expect(page.get_by_label("Provider")).to_be_focused()
    assert "provider=anthropic" in page.url
    page.get_by_label("Model").focus()
    page.get_by_label("Model").select_option(index=1)
    expect(page.get_by_label("Model")).to_be_focused()
    page.get_by_label("Sorted by").select_option("Most expensive")
    expect(page.locator(".list-count")).to_be_visible()
    page.wait_for_url("**sort=cost**")
    page.reload()
    expect(page.get_by_label("Provider")).to_have_value("anthropic")
    expect(page.get_by_label("Sorted by")).to_have_value("cost")


def test_filters_without_script(alice: User, chats: list[Chat], open_page: Open) -> None:
    page = open_page("/chats/", person=alice, script=False)
    page.get_by_label("Provider").select_option("Anthropic")
    page.get_by_label("Sorted by").select_option("Most expensive")
    page.get_by_role("button", name="Search").click()
    assert "provider=anthropic" in page.url
    assert "sort=cost" in page.url
    ours = [chat for chat in chats if chat.model.startswith("anthropic/")]
    expect(page.locator(".rows > li")).to_have_count(len(ours))
    expect(page.get_by_label("Provider")).to_have_value("anthropic")


def pasted(page: Page) -> str:
    """What is in the clipboard, as somebody would look at it: our own pages may not read it."""
    other = page.context.new_page()
    other.set_content("<textarea></textarea>")
    other.locator("textarea").press("Control+V")
    text = other.locator("textarea").input_value()
    other.close()
    return text


def test_code_and_messages_are_copied(alice: User, chats: list[Chat], open_page: Open) -> None:
    with tenant(alice.pk):
        long = Chat.objects.order_by("-message_count")[0]
    page = open_page(f"/chats/{long.pk}/", person=alice)
    first = page.locator(".message").first
    first.get_by_role("button", name="Copy this message").click()
    expect(first.locator(".message-head").get_by_role("status")).to_have_text("Copied")
    copied = pasted(page)
    body = " ".join(first.locator(".message-body").inner_text().split())
    assert copied.split() == body.replace("Copy this code", "").split()
    code = page.locator(".code").first
    code.get_by_role("button", name="Copy this code").click()
    expect(code.get_by_role("status")).to_have_text("Copied")
    assert pasted(page) == code.locator("code").text_content()


def test_a_link_is_copied(alice: User, chats: list[Chat], open_page: Open) -> None:
    page = open_page(f"/chats/{chats[0].pk}/sharing/", person=alice)
    page.get_by_role("button", name="Make a link").click()
    copy = page.get_by_role("button", name="Copy Address of the shared chat")
    copy.click()
    expect(page.locator(".copy").get_by_role("status")).to_have_text("Copied")
    assert pasted(page) == page.locator("#shared-address").input_value()
    expect(page.get_by_role("button", name="Copied Address of the shared chat")).to_be_visible()
    expect(copy).to_be_visible()


def test_pages_with_something_in_them_are_accessible(alice: User, chats: list[Chat], open_page: Open) -> None:
    page = open_page(f"/chats/{chats[0].pk}/sharing/", person=alice)
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#shared-address")).to_be_visible()
    assert check(page) == []
    for path in ("/chats/links/", f"/chats/{chats[0].pk}/title/"):
        page.goto(path)
        assert check(page) == [], path
    page.goto("/chats/?q=postgresql&sort=cost")
    page.locator(".pick input").first.check()
    assert check(page) == []
    page.get_by_role("button", name="Delete ticked").click()
    page.get_by_role("dialog").wait_for()
    assert check(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The chat is deleted.")).to_be_visible()
    page.goto("/chats/deleted/")
    assert check(page) == []
