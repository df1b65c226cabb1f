"""Work on accounts that nobody waits for."""

import logging
from uuid import UUID

from django.db import transaction
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from accounts import archives, pruning, sealed
from accounts.due import people_due
from accounts.erasure import erase
from wavelength.jobs import PATIENTLY, is_last_try

logger = logging.getLogger(__name__)


@app.periodic(cron="47 2 * * *")
@app.task(retry=PATIENTLY, queueing_lock="erase-due")
def erase_due(timestamp: int) -> None:
    """Erase, each day, the accounts whose days of grace are over."""
    for user_id in people_due("erasure"):
        try:
            erase(user_id=user_id)
        except Exception:
            # The storage or one person's fault must not keep the others waiting; they are due again tomorrow.
            logger.exception("The account %s could not be erased.", user_id)


@app.task(retry=PATIENTLY, pass_context=True)
def make_archive_of(context: JobContext, user_id: str) -> None:
    """Make the archive that one person asked for."""
    archives.make(user_id=UUID(user_id), is_last_try=is_last_try(context.job))


def make_later(user_id: UUID) -> None:
    """Have the person's archive made, once."""
    try:
        with transaction.atomic():
            make_archive_of.configure(queueing_lock=f"archive-{user_id}").defer(user_id=str(user_id))
    except AlreadyEnqueued:
        pass  # That job has not begun: it will see what was asked for now.


@app.periodic(cron="*/10 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="mind-archives")
def mind_archives(timestamp: int) -> None:
    """Go on with archives whose process is gone, and delete those that were kept long enough."""
    for user_id in people_due("archives"):
        try:
            if not archives.delete_expired(user_id=user_id):
                make_later(user_id)
        except Exception:
            logger.exception("The archive of %s could not be minded.", user_id)


@app.periodic(cron="7 3 * * *")
@app.task(retry=PATIENTLY, queueing_lock="prune")
def prune(timestamp: int) -> None:
    """Delete, each day, what was kept long enough."""
    for kind in pruning.KINDS:
        try:
            logger.info("Pruned %s: %s.", kind.name, kind.prune())
        except Exception:
            # One kind's fault must not keep the others waiting; what is left is due again tomorrow.
            logger.exception("The %s could not be pruned.", kind.name)


@app.periodic(cron="27 4 * * *")
@app.task(retry=PATIENTLY, queueing_lock="look-for-closed")
def look_for_closed(timestamp: int) -> None:
    """See, each day, whether what is sealed still opens."""
    sealed.look_for_closed()
