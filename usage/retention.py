"""How long what tells of single requests and past limits is kept: as it is pruned, and as its owner reads it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.privacy import Kept, in_days
from accounts.pruning import Kind, Owned, Unowned, days

PRUNED: Final[tuple[Kind, ...]] = (
    Unowned(
        "days of browsers without an account",
        "usage_anonymousday",
        "day < (now() - make_interval(secs => %(age)s))::date",
        days("ANONYMOUS_RETENTION_DAYS"),
    ),
    Owned("closed reservations", "reservations", days("RESERVATION_RETENTION_DAYS")),
    Owned("past windows of quotas", "windows", days("WINDOW_RETENTION_DAYS")),
    Owned("answers kept for repeats", "answers", days("ANSWER_RETENTION_DAYS")),
    Owned("advice put off until a day that is past", "dismissals", timedelta),
)


def kept_of_usage() -> Iterator[Kept]:
    """What stays of requests beside the ledger, which is kept as long as the account."""
    yield Kept(
        _("What each day and month of a limit came to"),
        in_days(settings.WINDOW_RETENTION_DAYS),
        _("So that you can compare. Of every limit the last one stays; your usage itself is kept with the account."),
    )
    yield Kept(
        _("What was set aside for a request"),
        in_days(settings.RESERVATION_RETENTION_DAYS),
        _("So that what is told late is still counted."),
    )
    yield Kept(
        _("The answer to a recorded request"),
        in_days(settings.ANSWER_RETENTION_DAYS),
        _("So that a client that asks again gets it. Its key stays, so that nothing is counted twice."),
    )
