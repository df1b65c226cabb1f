"""The list: search, filters, orders, pages; everything in the address, and few queries whatever the data."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Profile, User
from chats.listing import COUNTED, ORDERS, Wanted, list_chats
from chats.models import Chat
from chats.search import index_chats
from tests.chats.payloads import chat, message, synchronise
from wavelength.tenancy import tenant

HTMX = {"HX-Request": "true"}
MODELS = ("openai/gpt-4o", "openai/o3", "x-ai/grok-3", "gpt-4o-mini", "")
MAX_QUERIES = 6


@pytest.fixture
def seventy(as_alice: Client, alice: User) -> list[dict[str, Any]]:
    """Seventy chats of five models, one a day; costs, tokens and messages come in equal groups."""
    chats = [
        chat(
            f"c{number}",
            *(message(f"m{place}") for place in range(number % 3)),
            title=f"Chat {number:02}",
            model=MODELS[number % 5],
            createdAt=f"2025-0{1 + number // 28}-{1 + (7 * number) % 28:02}T10:00:00.000Z",
            updatedAt=(datetime(2025, 6, 1, tzinfo=UTC) + timedelta(days=number)).isoformat(),
            totalCost=number % 7 / 100,
            totalTokens=number % 11,
        )
        for number in range(70)
    ]
    synchronise(as_alice, *chats)
    return chats


def shown(client: Client, **asked: str) -> list[str]:
    """The ids of all chats, page by page along the links."""
    ids: list[str] = []
    response = client.get(reverse("chats:chat-list"), asked)
    while True:
        assert response.status_code == 200
        ids += [found.chat.shown_id for found in response.context["listing"].rows]
        following = response.context["next_page"]
        if not following:
            return ids
        response = client.get(following)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_shows_each_chat_once(as_alice: Client, alice: User, seventy: Any, order: str) -> None:
    column, descending = ORDERS[order].column, ORDERS[order].descending
    with tenant(alice.pk):
        expected = Chat.objects.order_by(*(f"{'-' if descending else ''}{name}" for name in (column, "id")))
        ids = [found.shown_id for found in expected]

    assert shown(as_alice, sort=order) == ids


def test_pages_lead_back_the_way_they_came(as_alice: Client, seventy: Any) -> None:
    first = as_alice.get(reverse("chats:chat-list"), {"sort": "tokens"})
    second = as_alice.get(first.context["next_page"])
    third = as_alice.get(second.context["next_page"])

    assert first.context["previous_page"] is None
    assert third.context["next_page"] is None
    back = as_alice.get(third.context["previous_page"])
    assert back.context["listing"].rows == second.context["listing"].rows
    assert as_alice.get(back.context["next_page"]).context["listing"].rows == third.context["listing"].rows
    start = as_alice.get(back.context["previous_page"])
    assert start.context["listing"].rows == first.context["listing"].rows
    assert start.context["previous_page"] is None


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"provider": "openai"}, {0, 1}),
        ({"provider": "xai"}, {2}),
        ({"provider": "openrouter"}, {3}),
        ({"model": "openai/o3"}, {1}),
        ({"provider": "openai", "model": "openai/o3"}, {1}),
        # What cannot be is left out.
        ({"provider": "openai", "model": "x-ai/grok-3"}, {0, 1}),
        ({"provider": "nobody"}, {0, 1, 2, 3, 4}),
        ({"model": "' OR true --"}, {0, 1, 2, 3, 4}),
    ],
)
def test_filters(as_alice: Client, seventy: Any, asked: dict[str, str], numbers: set[int]) -> None:
    expected = {f"c{number}" for number in range(70) if number % 5 in numbers}

    assert set(shown(as_alice, **asked)) == expected


def test_days_are_ones_own(as_alice: Client, alice: User, seventy: Any) -> None:
    assert shown(as_alice, since="2025-06-03", until="2025-06-04") == ["c3", "c2"]
    with tenant(alice.pk):
        Profile.objects.update(timezone="America/New_York")

    assert shown(as_alice, since="2025-06-03", until="2025-06-04") == ["c4", "c3"]


@pytest.mark.parametrize("day", ["2025-13-01", "yesterday", "0001-01-01", "9999-12-31", "2025-06-01T00:00", "\0"])
def test_a_day_that_is_none_is_left_out_and_said(as_alice: Client, seventy: Any, day: str) -> None:
    response = as_alice.get(reverse("chats:chat-list"), {"until": day})

    assert response.context["listing"].total == 70
    assert b"One of the days could not be read" in response.content


def test_a_search_is_narrowed_sorted_and_paged_like_the_list(as_alice: Client, alice: User, seventy: Any) -> None:
    index_chats(user_id=alice.pk)
    asked = {"q": "chat", "provider": "openai", "sort": "oldest"}

    found = shown(as_alice, **asked)

    assert len(found) == 28
    assert found == [id_ for id_ in shown(as_alice, sort="oldest") if id_ in found]
    response = as_alice.get(reverse("chats:chat-list"), asked | {"model": "openai/o3"})
    assert response.context["listing"].total == 14


def test_the_address_carries_everything(as_alice: Client, seventy: Any) -> None:
    asked = {"q": "chat", "since": "2025-06-01", "until": "2026-01-01", "sort": "cost"}
    page = as_alice.get(reverse("chats:chat-list"), asked)

    for name, value in asked.items():
        assert f"{name}={value}" in page.context["next_page"]
        assert page.context["form"][name].value() == value
    assert b'value="2025-06-01"' in page.content


def test_a_fragment_comes_back_where_htmx_asked(as_alice: Client, seventy: Any) -> None:
    response = as_alice.get(reverse("chats:chat-list"), {"provider": "xai"}, headers=HTMX)

    page = response.content.decode()
    assert "<html" not in page
    assert page.count('hx-swap-oob="true"') == 1  # the models of that provider
    assert "openai/o3" not in page
    assert "HX-Request" in response["Vary"]


def test_counts_end_somewhere(as_alice: Client, alice: User) -> None:
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    with tenant(alice.pk):
        Chat.objects.bulk_create(
            Chat(user=alice, client_id=str(n), shown_id=str(n), client_created_at=moment, updated_at=moment)
            for n in range(COUNTED + 5)
        )

    assert b"More than 1,000 chats" in as_alice.get(reverse("chats:chat-list")).content
    assert len(shown(as_alice)) == COUNTED + 5  # of equal times, too


def test_another_owner(as_bob: Client, bob: User, seventy: Any) -> None:
    for asked in ({}, {"q": "chat"}, {"model": "openai/o3"}, {"provider": "openai"}):
        assert shown(as_bob, **asked) == []
    assert list_chats(user_id=bob.pk, wanted=Wanted(query="chat")).rows == []


def test_a_cursor_of_anothers_shows_nothing_of_theirs(as_alice: Client, as_bob: Client, seventy: Any) -> None:
    following = as_alice.get(reverse("chats:chat-list")).context["next_page"]

    assert as_bob.get(following)["Location"] == reverse("chats:chat-list")


def test_wrong_method(as_alice: Client) -> None:
    assert as_alice.post(reverse("chats:chat-list")).status_code == 405


@pytest.mark.parametrize("sort", ["", "price", "cost; DROP TABLE chats_chat", "\0"])
def test_an_order_that_is_none_is_the_usual_one(as_alice: Client, seventy: Any, sort: str) -> None:
    assert shown(as_alice, sort=sort)[0] == "c69"


@pytest.mark.parametrize(
    "asked",
    [{}, {"q": "chat"}, {"q": "zzz"}, {"q": "chat", "provider": "openai", "sort": "cost"}, {"since": "2025-06-01"}],
)
@pytest.mark.parametrize("full", [False, True])
def test_query_count(as_alice: Client, alice: User, request: Any, full: bool, asked: dict[str, str]) -> None:
    if full:
        request.getfixturevalue("seventy")
        index_chats(user_id=alice.pk)
    with CaptureQueriesContext(connection) as queries:
        as_alice.get(reverse("chats:chat-list"), asked)

    real = [query["sql"] for query in queries if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEP", "RELEASE"))]
    assert len(real) <= MAX_QUERIES, real
