"""Search, through the definer function."""

from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.db.utils import ProgrammingError
from django.test import Client

from accounts.models import User
from chats.listing import Found, Wanted, list_chats
from chats.models import Chat, Message, SearchEntry
from chats.search import index_chats
from chats.tasks import index_chats_of, index_later
from tests.chats.payloads import chat, hand_over, message, payload, synchronise
from wavelength.tenancy import tenant


def search(*, user_id: UUID, query: str, limit: int = 30) -> list[Found]:
    return list_chats(user_id=user_id, wanted=Wanted(query=query), limit=limit).rows


@pytest.mark.parametrize("indexed", [False, True], ids=["before the index", "indexed"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kyoto", ["trip"]),
        ("KYOTO", ["trip"]),
        ("packing", ["trip", "list"]),
        ("packing kyoto", []),
        ("packing temple", ["trip"]),
        ("packing -temple", ["list"]),
        ('"packing list"', ["list"]),
        ('"list packing"', []),
        ("temple or socks", ["trip", "list"]),
        ("pack", ["trip", "list"]),
        ("ack", []),
        ("тест", ["list"]),
        ("'; DROP TABLE chats_chat; --", []),
        ("-", []),
        ('"', []),
        ("!&|()<->:*", []),
        ("\N{GRINNING FACE}", []),
    ],
)
def test_it_works(as_alice: Client, alice: User, query: str, found: list[str], indexed: bool) -> None:
    synchronise(
        as_alice,
        chat("trip", message("m1", content="A temple, and what to do about packing?"), title="Kyoto in autumn"),
        chat(
            "list",
            message("m2", content="My packing list: socks, тестовый"),
            title="Other",
            updatedAt="2025-02-03T10:01:00Z",
        ),
    )
    if indexed:
        assert index_chats(user_id=alice.pk) == 2

    assert [match.chat.shown_id for match in search(user_id=alice.pk, query=query)] == found


@pytest.mark.parametrize("query", ["", "   ", "\0"])
def test_no_words_leave_the_list_as_it_is(as_alice: Client, alice: User, query: str) -> None:
    synchronise(as_alice, chat("c1"))

    assert [match.chat.shown_id for match in search(user_id=alice.pk, query=query)] == ["c1"]


@pytest.mark.parametrize("indexed", [False, True])
def test_another_owner(as_alice: Client, as_bob: Client, alice: User, bob: User, indexed: bool) -> None:
    synchronise(as_alice, chat("c1", message("m1", content="treasure"), title="treasure"))
    synchronise(as_bob, chat("c1", message("m1", content="trash"), title="trash"))
    if indexed:
        index_chats(user_id=alice.pk)

    assert search(user_id=bob.pk, query="treasure") == []


def test_outside_a_tenant_nothing_is_found(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1", content="treasure"), title="treasure"))
    index_chats(user_id=alice.pk)

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM search_chats('treasure', 10)")
        assert cursor.fetchall() == []


@pytest.mark.django_db(databases=["default", "operator"])
def test_only_the_application_may_search() -> None:
    operator = connections["operator"]
    refused = pytest.raises(ProgrammingError, match="permission denied")
    with refused, transaction.atomic(using="operator"), operator.cursor() as cursor:
        cursor.execute("SELECT * FROM search_chats('treasure', 10)")


def test_shows_the_message_and_a_line_of_it(as_alice: Client, alice: User) -> None:
    text = "word " * 200 + "here is the treasure, dug\ninto sand " + "word " * 200
    synchronise(as_alice, chat("c1", message("m0"), message("m1", content=text)))

    (match,) = search(user_id=alice.pk, query="treasure")

    with tenant(alice.pk):
        assert match.message_id == Message.objects.get(client_id="m1").pk
    assert "here is the <mark>treasure</mark>, dug into sand" in match.excerpt
    assert len(match.excerpt) < 400


@pytest.mark.parametrize("indexed", [False, True])
def test_marks_words_in_titles_and_leaves_the_rest_as_it_is(as_alice: Client, alice: User, indexed: bool) -> None:
    title = "Where <b>treasure</b> & \x01gold\x02\x03 is: a<b, https://treasure.example/?a=1&b=2"
    synchronise(as_alice, chat("c1", title=title))
    if indexed:
        index_chats(user_id=alice.pk)

    (match,) = search(user_id=alice.pk, query="treasur")

    assert match.message_id is None
    assert match.excerpt == ""
    assert match.title.startswith("Where &lt;b&gt;<mark>treasure</mark>&lt;/b&gt; &amp;  gold   is: a&lt;b, https://")


def test_a_new_title_is_found_at_once_and_the_old_one_no_more(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1"), title="Treasure"))
    index_chats(user_id=alice.pk)

    as_alice.put("/api/chats/c1", {"title": "Sand"}, content_type="application/json")

    assert search(user_id=alice.pk, query="treasure") == []
    assert [match.chat.title for match in search(user_id=alice.pk, query="sand")] == ["Sand"]


HOSTILE = (
    "<script>alert(1)</script> treasure <img src=x onerror=alert(1)> <svg onload=alert(1)> <math><mtext></math>"
    " \x01<mark onclick=x>\x02 &lt;script&gt; \u202eesrever"
)


def test_what_it_shows_is_inert(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1", content=HOSTILE), title=HOSTILE))

    (match,) = search(user_id=alice.pk, query="treasure")

    for shown in (match.title, match.excerpt):
        assert "<mark>treasure</mark>" in shown
        assert "<" not in shown.replace("<mark>", "").replace("</mark>", "")
        assert "alert(1)&lt;/script&gt;" in shown


def test_changed_and_deleted_text_is_not_found_any_more(as_alice: Client, alice: User) -> None:
    synchronise(as_alice, chat("c1", message("m1", content="treasure")), chat("c2", message("m1", content="treasure")))
    index_chats(user_id=alice.pk)

    synchronise(as_alice, chat("c1", message("m1", content="sand"), updatedAt="2025-02-04T10:00:00Z"))
    as_alice.delete("/api/chats/c2")

    assert search(user_id=alice.pk, query="treasure") == []
    assert [match.chat.shown_id for match in search(user_id=alice.pk, query="sand")] == ["c1"]
    assert index_chats(user_id=alice.pk) == 1
    assert search(user_id=alice.pk, query="treasure") == []
    assert [match.chat.shown_id for match in search(user_id=alice.pk, query="sand")] == ["c1"]


def test_limit_keeps_the_newest(as_alice: Client, alice: User) -> None:
    synchronise(
        as_alice, *(chat(f"c{hour}", title="treasure", updatedAt=f"2025-02-03T{hour}:00:00Z") for hour in (11, 13, 12))
    )

    assert [match.chat.shown_id for match in search(user_id=alice.pk, query="treasure", limit=2)] == ["c13", "c12"]


def test_very_long_messages_can_be_indexed(as_alice: Client, alice: User) -> None:
    """A tsvector holds 1 MiB: 8 MiB of different words are indexed as far as they fit."""
    words = " ".join(f"\N{CJK UNIFIED IDEOGRAPH-4E00}{number}" for number in range(500_000))
    synchronise(
        as_alice, chat("c1", message("m1", content="treasure " + words), message("m2", content="y" * 4_000_000))
    )

    assert [match.chat.shown_id for match in search(user_id=alice.pk, query="treasure")] == ["c1"]
    index_chats(user_id=alice.pk)
    assert [match.chat.shown_id for match in search(user_id=alice.pk, query="treasure")] == ["c1"]


def test_hand_over_has_the_index_made(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1"), message("m2"))))
    hand_over(as_alice, payload(chat("c2", message("m3"))))
    index_later(alice.pk)

    assert pending_jobs(alice) == 1
    index_chats_of(str(alice.pk))
    with tenant(alice.pk):
        assert SearchEntry.objects.count() == 3 + 2  # messages and titles
        assert not Chat.objects.filter(indexed=False).exists()


def test_index_that_an_interrupted_hand_over_left_out_is_made_after_the_next(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1"))))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")

    hand_over(as_alice, payload(chat("c1", message("m1"))))

    assert pending_jobs(alice) == 1


def pending_jobs(person: User) -> int:
    """Other tests leave jobs: procrastinate's tables are not flushed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs"
            " WHERE task_name = 'chats.tasks.index_chats_of' AND status = 'todo' AND args->>'user_id' = %s",
            [str(person.pk)],
        )
        count: int = cursor.fetchone()[0]
        return count
