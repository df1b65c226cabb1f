"""What must hold about data keys before a process may serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DatabaseError, ProgrammingError

from accounts.datakeys import missing_ring_keys
from wavelength.envelope import EnvelopeError
from wavelength.startup import STARTUP


@checks.register(STARTUP, checks.Tags.database)
def check_ring(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Every stored data key must open: its ring key must be configured."""
    if not databases or "default" not in databases:
        return []
    try:
        missing = missing_ring_keys()
    except EnvelopeError as error:
        return [checks.Error(f"API_KEY_ENCRYPTION_KEY cannot be used: {error}", id="accounts.E001")]
    except ProgrammingError:
        message = "The database lacks migrations: run `python manage.py migrate`."
        return [checks.Error(message, id="accounts.E002")]
    except DatabaseError:
        # Whatever keeps the database away, wavelength.E001 says it.
        return []
    return [
        checks.Error(
            f"{held} stored data keys are wrapped with the ring key {key}, which is not configured."
            " Put it back into API_KEY_ENCRYPTION_OLD_KEYS: without it their secrets cannot open.",
            id="accounts.E003",
        )
        for key, held in sorted(missing.items())
    ]
