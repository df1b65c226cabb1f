"""Work on accounts that nobody waits for."""

import logging

from procrastinate.contrib.django import app

from accounts.due import people_due
from accounts.erasure import erase

logger = logging.getLogger(__name__)


@app.periodic(cron="47 2 * * *")
@app.task(queueing_lock="erase-due")
def erase_due(timestamp: int) -> None:
    """Erase, each day, the accounts whose days of grace are over."""
    for user_id in people_due("erasure"):
        try:
            erase(user_id=user_id)
        except Exception:
            # The storage or one person's fault must not keep the others waiting; they are due again tomorrow.
            logger.exception("The account %s could not be erased.", user_id)
