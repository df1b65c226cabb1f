"""Where everything is measured: one embedded PostgreSQL, as durable as in production, and the real server on it."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavelength.embedded import Server

if TYPE_CHECKING:
    from tests.processes import Running

OURS = "wavelength.wsgi"
# As in production, with nothing outside this machine.
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "wavelength.settings",
    "DEBUG": "false",
    "API_KEY_ENCRYPTION_OLD_KEYS": "",
    "SITE_URL": "http://127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "TRUSTED_ORIGINS": "https://chat.example.com",
    "BEHIND_PROXY": "false",
    "EMAIL_URL": "memorymail://",
    "REDIS_URL": "",
    # Counted as in production; but here one person does in a second what else a thousand do.
    "RATE_LIMIT_API": "100000000/m",
    "RATE_LIMIT_HANDOVER": "100000000/m",
    "S3_BUCKET": "",
    "SENTRY_DSN": "",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and the session in which they are signed in."""

    id: str
    session: str

    @property
    def cookie(self) -> str:
        """The header that shows the session."""
        from django.conf import settings

        return f"{settings.SESSION_COOKIE_NAME}={self.session}"


class Stage:
    """What the rows share."""

    def __init__(self, urls: dict[str, str], profiles: Path | None) -> None:
        self.urls = urls
        self._profiles = profiles
        self._numbers = count(1)

    def person(self) -> Person:
        """A new person, made the way every account is made, signed in."""
        from django.conf import settings
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

        from accounts.models import User
        from accounts.people import create_person
        from accounts.sessions import SessionStore

        user = User(email=f"person-{next(self._numbers)}@example.com", name="Somebody")
        user.set_unusable_password()
        create_person(user, way="command")
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return Person(str(user.pk), str(session.session_key))

    def serve(self, application: str = OURS, *, workers: int = 2, **env: Any) -> "AbstractContextManager[Running]":
        """The server as production runs it, on a free port; under a profiler when this run is for a profile."""
        from tests.processes import serve

        if self._profiles is not None and application == OURS:
            return serve(application="bench.profiled", workers=1, threads=1, BENCH_PROFILES=str(self._profiles))
        return serve(application=application, workers=workers, **env)


@contextmanager
def stage(profiles: Path | None = None) -> Iterator[Stage]:
    """A fresh, migrated database; this process has Django set up on it. Profiles are left in `profiles`."""
    with Server.temporary(durable=True) as server, tempfile.TemporaryDirectory(prefix="wavelength-bench-") as data:
        os.environ.update(
            SETTINGS,
            **server.urls,
            SECRET_KEY=secrets.token_urlsafe(48),
            API_KEY_ENCRYPTION_KEY=secrets.token_hex(32),
            WAVELENGTH_DATA_DIR=data,
        )
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        for command in ("setup_database", "migrate"):
            call_command(command, verbosity=0, stdout=StringIO())
        try:
            yield Stage(server.urls, profiles)
        finally:
            connections.close_all()
