"""Work on chats that nobody waits for."""

import logging
from uuid import UUID

from django.db import DatabaseError, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from accounts.due import people_due
from chats import search
from chats.changes import empty_deleted_chats
from wavelength.jobs import PATIENTLY

logger = logging.getLogger(__name__)


@app.task(retry=PATIENTLY)
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


@app.periodic(cron="23 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="empty-deleted-chats")
def empty_deleted(timestamp: int) -> None:
    """Take away for good, each hour, what chats held that were deleted a day ago."""
    for user_id in people_due("deleted_chats"):
        try:
            empty_deleted_chats(user_id=user_id)
        except DatabaseError:
            # One person's fault must not keep everybody after them waiting; they are due again next time.
            logger.exception("The deleted chats of %s could not be emptied.", user_id)
