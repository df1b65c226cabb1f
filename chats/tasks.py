"""Work on chats that nobody waits for."""

from uuid import UUID

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from chats import search


@app.task
def index_chats_of(user_id: str) -> None:
    """Brings one person's search index up to date."""
    search.index_chats(user_id=UUID(user_id))


def index_later(user_id: UUID) -> None:
    """Has the person's index brought up to date, once, however often it is asked for meanwhile."""
    try:
        with transaction.atomic():
            index_chats_of.configure(queueing_lock=f"index-chats-{user_id}").defer(user_id=str(user_id))
    except AlreadyEnqueued:
        pass  # That job has not begun: it will see these chats too.
