"""Who has work waiting: the one door through which anything looks across people.

The definer function `due` hands out user ids only; the work is then done for each person inside
their own `tenant()`. A later kind of work replaces the function (see accounts/migrations/0002_due.py).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connections

from accounts.models import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)
PAGE = 500


def people_due(kind: str, *, detail: str = "") -> Iterator[UUID]:
    """Answer everyone with work of this kind, in the order of their ids, page by page.

    `detail` narrows the kind: for `rotation` it is the id of the primary ring key. Call it outside
    any transaction; whoever comes to be due meanwhile may or may not be met.
    """
    after = UUID(int=0)
    while True:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT due(%s, %s, %s, %s)", [kind, PAGE, after, detail])
            found: list[UUID] = [user_id for (user_id,) in cursor.fetchall()]
        yield from found
        if len(found) < PAGE:
            return
        after = found[-1]


def for_each_due(kind: str, work: Callable[[UUID], object]) -> None:
    """Do a kind of work for everyone who is due. What one person's fault keeps from being done is logged, keeps nobody
    else waiting, and is due again the next time. Call it outside any transaction."""
    for user_id in people_due(kind):
        try:
            work(user_id)
        except Exception:  # of the database, the storage, or ours: whatever it is, the others come next
            logger.exception("The work on %s could not be done for %s.", kind, user_id)


def everyone() -> Iterator[UUID]:
    """Answer the id of every person, in order, page by page; people carry no policy."""
    after = UUID(int=0)
    while True:
        ids = User.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)
        found = list(ids[:PAGE])
        yield from found
        if len(found) < PAGE:
            return
        after = found[-1]
