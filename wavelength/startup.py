"""What must hold before a process may serve; each part registers a check tagged ``startup``."""

import logging
import time
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from wavelength.tenancy.roles import ways_past

STARTUP = "startup"
UNREACHABLE = "wavelength.E001"
logger = logging.getLogger(__name__)


def refuse_unsafe(*, patient: bool = False) -> None:
    """Raise ImproperlyConfigured, in sentences, when any ``startup`` check finds an error.

    With `patient` it waits for a database that cannot be reached, for as long as that takes.
    """
    found = checks.run_checks(tags=[STARTUP], databases=["default"])
    while patient and any(message.id == UNREACHABLE for message in found):
        logger.warning("Waiting for the database: it cannot be reached.")
        connections.close_all()
        time.sleep(1)
        found = checks.run_checks(tags=[STARTUP], databases=["default"])
    errors = [message for message in found if message.level >= checks.ERROR]
    for message in found:
        if message not in errors:
            logger.warning("%s", message.msg)
    # A connection opened here must not be inherited by a thread or a forked worker.
    connections.close_all()
    if errors:
        raise ImproperlyConfigured(" ".join(str(message.msg) for message in errors))


@checks.register(STARTUP, checks.Tags.database)
def check_role(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The application's role must not be able to pass the policies by."""
    if not databases or "default" not in databases:
        return []
    try:
        with connections["default"].cursor() as cursor:
            ways = ways_past(cursor)
    except DatabaseError as error:
        return [
            checks.Error(
                f"The database in DATABASE_URL cannot be used: {str(error).strip()}"
                " `manage.py check_database` says more.",
                id=UNREACHABLE,
            )
        ]
    if ways:
        message = (
            f"DATABASE_URL connects as a role that can pass row-level security by: {', '.join(ways)}."
            " Connect as wl_app (`manage.py setup_database` makes it)."
        )
        kind = checks.Warning if settings.DEBUG else checks.Error
        return [kind(message, id="wavelength.E002")]
    return []
