"""Reading and finding chats; what stands in them stays text."""

import json

from playwright.sync_api import expect

from accounts.models import User
from chats.models import Chat, Source
from chats.sync import take_over
from tests.browser.conftest import SAMPLES, Open
from wavelength.tenancy import tenant

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\n\n"
    "[one](javascript:window.hacked=1) [two](data:text/html,<script>window.hacked=1</script>)\n\n"
    "![pixel](https://other.example/p.png) <svg onload='window.hacked=1'></svg>\n\n"
    "\u202ereversed\n\n[good](https://good.example/)"
)


def chat_of(user: User, text: str, title: str = "Hostile \u202e<b>title</b>") -> Chat:
    payload = {
        "chats": [
            {
                "id": "one",
                "title": title,
                "model": "openai/gpt-4o",
                "createdAt": "2026-01-05T10:00:00.000Z",
                "updatedAt": "2026-01-05T10:00:00.000Z",
                "messages": [
                    {
                        "id": "m1",
                        "role": "assistant",
                        "content": text,
                        "reasoning": text,
                        "timestamp": "2026-01-05T10:00:00.000Z",
                    }
                ],
            }
        ],
        "config": {},
        "anonymousId": "",
    }
    report = take_over(user_id=user.pk, body=json.dumps(payload).encode(), source=Source.MIGRATION)
    assert report.migrated_chats == 1, report
    with tenant(user.pk):
        return Chat.objects.get()


def test_hostile_text_stays_text(alice: User, open_page: Open) -> None:
    chat = chat_of(alice, HOSTILE)
    page = open_page(f"/chats/{chat.pk}/", person=alice)

    page.get_by_text("Reasoning").click()
    expect(page.locator(".message-body")).to_contain_text("<script>window.hacked = 1</script>")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<b>title</b>")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".prose :is(script, img, svg, iframe, form)").count() == 0
    links = page.locator(".message-body a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == ["https://good.example/"]


def test_a_search_narrows_the_list_as_one_types(alice: User, open_page: Open) -> None:
    take_over(user_id=alice.pk, body=(SAMPLES / "rich.json").read_bytes(), source=Source.DEMO)
    page = open_page("/chats/", person=alice)
    rows = page.locator(".rows > li")
    before = rows.count()
    page.get_by_role("searchbox").fill("zzzzunheardof")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("searchbox").fill("postgresql")
    expect(rows.first).to_be_visible()
    assert 0 < rows.count() <= before
    assert "q=postgresql" in page.url
    # Coming back from a chat shows the whole page again, with the search in it.
    rows.first.get_by_role("link").click()
    expect(page.locator(".message").first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("postgresql")
    expect(page.get_by_role("heading", name="Chats", level=1)).to_be_visible()


def test_older_chats_are_a_page_away_without_script(alice: User, open_page: Open) -> None:
    take_over(user_id=alice.pk, body=(SAMPLES / "rich.json").read_bytes(), source=Source.DEMO)
    with tenant(alice.pk):
        number = Chat.objects.count()
    page = open_page("/chats/", person=alice, script=False)
    rows = page.locator(".rows > li")
    expect(rows).to_have_count(30)
    page.get_by_role("link", name="Next page").click()
    expect(rows).to_have_count(number - 30)
