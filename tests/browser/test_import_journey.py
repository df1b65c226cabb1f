"""Bringing chats: found here or in a file, looked at first, followed, resumed, reported."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from chats.models import Chat, Handover, Message
from tests.browser.conftest import SAMPLES, Open
from tests.browser.test_handover_journey import put_store
from tests.browser.test_pages_accessible import check
from tests.chats.payloads import chat, message
from tests.conftest import signed_in
from tests.processes import free_port, serve
from wavelength.tenancy import tenant

CHATS, MESSAGES = 9_000, 2  # five parts


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that takes several transactions."""
    chats = [chat(f"c{n}", *(message(f"m{m}") for m in range(MESSAGES))) for n in range(CHATS)]
    file = tmp_path_factory.mktemp("import") / "large.json"
    file.write_text(json.dumps({"state": {"chats": chats, "config": {}}, "version": 0}))
    return file


def choose(page: Page, file: Path) -> None:
    page.get_by_label("Drop a file here, or choose one").set_input_files(file)


def bring(page: Page) -> None:
    page.get_by_role("button", name="Bring it in").click()


def counts(person: User) -> tuple[int, int]:
    with tenant(person.pk):
        return Chat.objects.count(), Message.objects.count()


@contextmanager
def held_after_the_first_part(person: User, page: Page) -> Iterator[None]:
    """Start bringing in what the page shows, and keep its second part waiting; yields when the first is stored."""
    key = f"hashtextextended('chats of ' || '{person.pk}'::text, 0)"
    with connections["operator"].cursor() as cursor:
        bring(page)
        # Once the hand-over has its lock, this one stands in line for it before the next part does.
        for _ in range(2_000):
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                f" AND (classid::bigint << 32 | objid::bigint) = {key}"
            )
            if cursor.fetchone()[0]:
                break
            page.wait_for_timeout(5)
        else:
            raise AssertionError("No hand-over began.")
        cursor.execute(f"SELECT pg_advisory_lock({key})")
        try:
            yield
        finally:
            cursor.execute(f"SELECT pg_advisory_unlock({key})")


def test_found_in_this_browser(alice: User, open_page: Open, small_store: str, small_counts: dict[str, int]) -> None:
    page = open_page("/import/", person=alice)
    put_store(page, small_store)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.reload()
    expect(page.get_by_role("heading", name="Found in this browser")).to_be_visible()
    expect(page.locator("[data-found=messages]")).to_have_text(str(small_counts["messages"]))
    assert "POST" not in sent

    page.get_by_role("button", name="Show what would come").first.click()
    expect(page.get_by_role("heading", name="This would come")).to_be_focused()
    expect(page.locator("[data-found=new-chats]")).to_have_text(str(small_counts["chats"]))
    expect(page.get_by_text("OpenRouter")).to_be_visible()
    assert counts(alice) == (0, 0)
    assert check(page) == []

    bring(page)
    expect(page.get_by_role("heading", name="Everything arrived")).to_be_visible()
    expect(page.locator("[data-report=chats]")).to_have_text(str(small_counts["chats"]))
    assert counts(alice) == (small_counts["chats"], small_counts["messages"])
    assert check(page) == []

    # A second time nothing is new, and it is said before.
    page.goto("/import/")
    assert check(page) == []
    page.get_by_role("button", name="Show what would come").first.click()
    expect(page.get_by_role("heading", name="Nothing new")).to_be_visible()
    expect(page.locator("[data-found=same-chats]")).to_have_text(str(small_counts["chats"]))


def test_a_hostile_file_is_told_fault_by_fault(alice: User, open_page: Open) -> None:
    page = open_page("/import/", person=alice)
    choose(page, SAMPLES / "hostile.json")
    faults = page.locator("[data-fault]")
    expect(page.get_by_role("heading", name="Cannot be taken")).to_be_visible()
    expect(faults.first).to_contain_text("message 2, cost: Must be a number, not NaN.")
    foretold = faults.count()
    assert counts(alice) == (0, 0)
    assert check(page) == []
    bring(page)
    expect(page.get_by_role("heading", name="Arrived, except for what is named below")).to_be_visible()
    expect(faults).to_have_count(foretold)
    expect(page.get_by_role("link", name="Add it by hand").first).to_be_visible()
    assert check(page) == []


def test_a_dropped_file(alice: User, open_page: Open, small_store: str) -> None:
    page = open_page("/import/", person=alice)
    data = page.evaluate_handle(
        "text => { const data = new DataTransfer(); data.items.add(new File([text], 'store.json')); return data; }",
        small_store,
    )
    drop = page.locator("[data-part=drop]")
    drop.dispatch_event("dragover", {"dataTransfer": data})
    expect(drop).to_have_attribute("data-over", "")
    drop.dispatch_event("drop", {"dataTransfer": data})
    expect(page.get_by_role("heading", name="This would come")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="This would come")).to_be_hidden()
    assert counts(alice) == (0, 0)


def test_a_file_that_is_none_is_refused(alice: User, open_page: Open, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"notes": []}')
    page = open_page("/import/", person=alice)
    choose(page, other)
    expect(page.get_by_role("alert").filter(has_text="neither a saved Wavelength store")).to_be_visible()
    assert check(page) == []


def test_it_goes_on_after_the_page_was_closed(alice: User, open_page: Open, large: Path) -> None:
    page = open_page("/import/", person=alice)
    choose(page, large)
    with held_after_the_first_part(alice, page):
        done = page.locator("[data-done]")
        expect(done).to_contain_text(f"of {CHATS:,}", timeout=20_000)
        assert check(page) == []
        page.close()
        later = open_page("/import/", person=alice)
        expect(later.get_by_role("heading", name="Your import is under way")).to_be_visible()
        first = later.locator("[data-done]").text_content()
        assert first
        assert 0 < int(first.split()[0].replace(",", "")) < CHATS
        later.get_by_role("link", name="See how far it is").click()
        later.wait_for_url("**/import/*-*/")
        assert check(later) == []
    # From here on the page follows by itself.
    expect(later.get_by_role("heading", name="Everything arrived")).to_be_visible(timeout=60_000)
    expect(later.locator("[data-report=chats]")).to_have_text(f"{CHATS:,}")
    assert counts(alice) == (CHATS, CHATS * MESSAGES)


def test_it_is_resumed_after_the_server_was_killed(alice: User, browser: Browser, large: Path) -> None:
    port = free_port()
    cookie = signed_in(alice).cookies[settings.SESSION_COOKIE_NAME]
    context: Any = None
    try:
        with serve(port=port) as running:
            context = browser.new_context(base_url=running.url, reduced_motion="reduce")
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": running.url}])
            page = context.new_page()
            page.goto("/import/")
            choose(page, large)
            with held_after_the_first_part(alice, page):
                expect(page.locator("[data-done]")).to_contain_text(f"of {CHATS:,}", timeout=20_000)
                running.kill()
            expect(page.get_by_text("The connection was lost.")).to_be_visible()
            expect(page.get_by_role("button", name="Send it again")).to_be_focused()
        chats, messages = counts(alice)
        assert 0 < chats < CHATS
        assert messages == chats * MESSAGES

        with serve(port=port):
            expect(page.locator("[data-done]")).to_contain_text(f"{chats:,} of {CHATS:,}")
            page.get_by_role("button", name="Send it again").click()
            expect(page.get_by_role("heading", name="Everything arrived")).to_be_visible(timeout=60_000)
            expect(page.locator("[data-report=chats]")).to_have_text(f"{CHATS - chats:,}")
            expect(page.locator("[data-report=skipped]")).to_have_text(f"{chats:,}")
        assert counts(alice) == (CHATS, CHATS * MESSAGES)
        with tenant(alice.pk):
            assert Handover.objects.filter(finished_at=None).count() == 1
    finally:
        if context:
            context.close()


def test_it_works_without_script(alice: User, open_page: Open, small_counts: dict[str, int]) -> None:
    page = open_page("/import/", person=alice, script=False)
    choose(page, SAMPLES / "small.json")
    page.get_by_role("button", name="Show what would come").click()
    expect(page.get_by_role("heading", name="This would come")).to_be_visible()
    expect(page.get_by_text("choose the file again below")).to_be_visible()
    assert counts(alice) == (0, 0)
    choose(page, SAMPLES / "small.json")
    bring(page)
    expect(page.get_by_role("heading", name="Everything arrived")).to_be_visible()
    page.get_by_role("link", name="See your chats").click()
    assert counts(alice) == (small_counts["chats"], small_counts["messages"])


def test_a_refused_file_is_said_without_script(alice: User, open_page: Open, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("PK")
    page = open_page("/import/", person=alice, script=False)
    choose(page, other)
    bring(page)
    expect(page.get_by_role("alert").filter(has_text="neither a saved Wavelength store")).to_be_visible()
