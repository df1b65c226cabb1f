"""Work on chats that nobody waits for."""

from uuid import UUID

from procrastinate.contrib.django import app

from accounts.due import for_each_due
from chats import search
from chats.changes import empty_deleted_chats
from wavelength.jobs import PATIENTLY, defer_once


@app.task(retry=PATIENTLY)
def index_chats_of(user_id: str) -> None:
    """Brings one person's search index up to date."""
    search.index_chats(user_id=UUID(user_id))


def index_later(user_id: UUID) -> None:
    """Has the person's index brought up to date, once, however often it is asked for meanwhile."""
    defer_once(index_chats_of.name, f"index-chats-{user_id}", user_id=str(user_id))


@app.periodic(cron="23 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="empty-deleted-chats")
def empty_deleted(timestamp: int) -> None:
    """Take away for good, each hour, what chats held that were deleted a day ago."""
    for_each_due("deleted_chats", lambda user_id: empty_deleted_chats(user_id=user_id))
