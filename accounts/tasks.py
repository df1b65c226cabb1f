"""Work on accounts that nobody waits for."""

import logging
from uuid import UUID

from procrastinate import JobContext
from procrastinate.contrib.django import app

from accounts import archives, pruning, sealed
from accounts.due import for_each_due
from accounts.erasure import erase
from wavelength.jobs import PATIENTLY, defer_once, is_last_try

logger = logging.getLogger(__name__)


@app.periodic(cron="47 2 * * *")
@app.task(retry=PATIENTLY, queueing_lock="erase-due")
def erase_due(timestamp: int) -> None:
    """Erase, each day, the accounts whose days of grace are over."""
    for_each_due("erasure", lambda user_id: erase(user_id=user_id))


@app.task(retry=PATIENTLY, pass_context=True)
def make_archive_of(context: JobContext, user_id: str) -> None:
    """Make the archive that one person asked for."""
    archives.make(user_id=UUID(user_id), is_last_try=is_last_try(context.job))


def make_later(user_id: UUID) -> None:
    """Have the person's archive made, once."""
    defer_once(make_archive_of.name, f"archive-{user_id}", user_id=str(user_id))


@app.periodic(cron="*/10 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="mind-archives")
def mind_archives(timestamp: int) -> None:
    """Go on with archives whose process is gone, and delete those that were kept long enough."""
    for_each_due("archives", _mind_archive)


def _mind_archive(user_id: UUID) -> None:
    if not archives.delete_expired(user_id=user_id):
        make_later(user_id)


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
