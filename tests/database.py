"""Loaded first (pytest's ``-p``): gives the suite a real PostgreSQL of its own.

``TEST_DATABASE_URL`` (a role that may create roles and databases) uses a server that is there
already; otherwise an embedded one is started and ended with the run. Settings that a developer's
own ``.env`` may hold are overridden, so that the suite is the same everywhere.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from wavelength.embedded import Server

SETTINGS = {
    "DEBUG": "false",
    "SECRET_KEY": "only-for-the-test-suite-" + "0" * 40,
    "API_KEY_ENCRYPTION_KEY": "0123456789abcdef" * 4,
    "API_KEY_ENCRYPTION_OLD_KEYS": "",
    "SITE_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "TRUSTED_ORIGINS": "https://chat.example.com",
    "EMAIL_URL": "memorymail://",
    "LOG_REQUESTS": "false",
    "TALLY_SECONDS": "0",
    "REDIS_URL": "",
    # Counted as everywhere, and far above what a test does; those of limits set their own.
    **dict.fromkeys(
        (
            f"RATE_LIMIT_{name}"
            for name in ("API", "RECORDING", "KEY_WRITES", "VALIDATION", "KEY_VALIDATION", "HANDOVER")
        ),
        "1000000/m",
    ),
    "GOOGLE_CLIENT_ID": "google-client",
    "GOOGLE_CLIENT_SECRET": "google-client-secret",
    "GITHUB_CLIENT_ID": "github-client",
    "GITHUB_CLIENT_SECRET": "github-client-secret",
}
_resources = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    # Before pytest-django reads the settings. Workers of pytest-xdist inherit the environment of the
    # process that started them.
    if "WAVELENGTH_TEST_SERVER" in os.environ:
        return
    urls = _resources.enter_context(_server())
    os.environ.update(SETTINGS, **urls, WAVELENGTH_TEST_SERVER="1")


def pytest_unconfigure(config: pytest.Config) -> None:
    _resources.close()


@contextmanager
def _server() -> Iterator[dict[str, str]]:
    external = os.environ.get("TEST_DATABASE_URL")
    if external:
        urls = {
            "DATABASE_OWNER_URL": external,
            **{
                f"DATABASE_{name}URL": _as_role(external, role)
                for name, role in (("", "wl_app"), ("OPERATOR_", "wl_operator"), ("BACKUP_", "wl_backup"))
            },
        }
        yield urls
        return
    with Server.temporary() as server:
        yield server.urls


def _as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    netloc = f"{role}:{secrets.token_urlsafe(24)}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc))


def prepare_roles(owner_url: str) -> None:
    """Let ``wl_owner`` create the suite's databases."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE wl_owner CREATEDB")
