"""A chat of very many messages opens as fast as a short one."""

from datetime import UTC, datetime

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from chats.forms import END
from chats.models import Chat, Message
from wavelength.tenancy import tenant

LONG = 5_000
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
MAX_QUERIES = 6


def test_a_chat_of_thousands_of_messages_is_read_in_parts(as_alice: Client, alice: User) -> None:
    with tenant(alice.pk):
        chat = Chat.objects.create(
            user=alice, client_id="c", shown_id="c", client_created_at=MOMENT, updated_at=MOMENT, message_count=LONG
        )
        Message.objects.bulk_create(
            Message(
                user=alice, chat=chat, position=n, client_id=str(n), role="user", content=f"No. {n}", sent_at=MOMENT
            )
            for n in range(LONG)
        )
        middle = Message.objects.get(chat=chat, position=LONG // 2).pk
    here = reverse("chats:chat-detail", args=[chat.pk])

    for query, first in (
        ("", "No. 0"), (f"?before={END}", f"No. {LONG - 50}"), (f"?message={middle}", f"No. {LONG // 2 - 2}"),
        ("?after=99", "No. 100"),
    ):  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            response = as_alice.get(here + query)
        shown = response.context["messages_shown"]
        assert len(shown) == 50
        assert first in shown[0].text
        real = [one["sql"] for one in queries if not one["sql"].startswith(("BEGIN", "COMMIT", "SAVEP", "RELEASE"))]
        assert len(real) <= MAX_QUERIES, real
        assert len(response.content) < 100_000
