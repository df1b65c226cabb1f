"""What the overview says of chats."""

from datetime import UTC, datetime, timedelta

from django.test import Client

from accounts.models import User
from chats.figures import chat_figures
from chats.models import Chat
from wavelength.tenancy import tenant

NOW = datetime.now(UTC)


def keep(person: User, number: int, *, days_ago: int, messages: int = 2, deleted: bool = False) -> None:
    changed = NOW - timedelta(days=days_ago)
    with tenant(person.pk):
        Chat.objects.create(
            user=person, client_id=f"c{number}", client_created_at=changed, shown_id=f"c{number}", updated_at=changed,
            title=f"Chat {number}", message_count=messages, deleted_at=NOW if deleted else None,
        )  # fmt: skip


def test_it_works(alice: User) -> None:
    for number, days_ago in enumerate((9, 1, 5)):
        keep(alice, number, days_ago=days_ago)
    keep(alice, 3, days_ago=0, deleted=True)
    figures = chat_figures(user_id=alice.pk, since=NOW - timedelta(days=6), latest=2)
    assert (figures.chats, figures.messages, figures.active) == (3, 6, 2)
    assert [chat.title for chat in figures.latest] == ["Chat 1", "Chat 2"]


def test_another_persons_chats_never_count(alice: User, bob: User) -> None:
    keep(alice, 1, days_ago=0)
    figures = chat_figures(user_id=bob.pk, since=NOW - timedelta(days=6), latest=2)
    assert (figures.chats, figures.messages, figures.active, figures.latest) == (0, 0, 0, [])


def test_the_overview_shows_them(as_alice: Client, alice: User) -> None:
    keep(alice, 1, days_ago=0, messages=1234)
    page = " ".join(as_alice.get("/").content.decode().split())
    assert "1 active this month, 1.23k messages in all" in page
    assert "Chat 1" in page
