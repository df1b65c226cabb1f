"""``manage.py setup_database``: safe to repeat, and a sentence where it cannot work."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any, Self
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from pytest_django import Settings

from wavelength.management.commands import setup_database
from wavelength.tenancy.roles import create_roles

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"])
ATTRIBUTES = "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication, rolcanlogin FROM pg_roles"


def set_up() -> str:
    output = StringIO()
    call_command("setup_database", stdout=output)
    return output.getvalue()


@pytest.fixture
def superuser() -> Iterator[psycopg.Connection]:
    """On the suite's database, as the role that its server came with."""
    name = connections["owner"].settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], dbname=name, autocommit=True) as connection:
        yield connection


def test_it_works_again_and_again(superuser: psycopg.Connection) -> None:
    ours = f"{ATTRIBUTES} WHERE rolname LIKE 'wl\\_%' ORDER BY 1"
    before = superuser.execute(ours).fetchall()
    assert set_up() == set_up() == "The roles wl_owner, wl_app, wl_operator and wl_backup are ready.\n"
    assert superuser.execute(ours).fetchall() == before
    assert [row[0] for row in before] == ["wl_app", "wl_backup", "wl_operator", "wl_owner"]


def test_no_password_reaches_the_server_in_the_open(superuser: psycopg.Connection) -> None:
    """What is sent is a SCRAM verifier: a server that logs statements logs no password."""
    sent: list[str] = []

    class Spy(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Self:
            sent.append(query.as_string(self) if isinstance(query, psycopg.sql.Composable) else str(query))
            return super().execute(query, *arguments, **options)

    superuser.cursor_factory = Spy
    password = urlsplit(os.environ["DATABASE_URL"]).password or ""
    create_roles(superuser, {"wl_app": password})
    assert any("SCRAM-SHA-256$" in statement for statement in sent)
    assert not any(password in statement for statement in sent)
    set_up()


def test_two_at_once(superuser: psycopg.Connection) -> None:
    """Two machines are deployed at the same moment."""
    password = urlsplit(os.environ["DATABASE_URL"]).password or ""

    def create(_: int) -> bool:
        with psycopg.connect(superuser.info.dsn, password=superuser.info.password, autocommit=True) as connection:
            return create_roles(connection, {"wl_app": password})

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(create, range(12))) == [True] * 12


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("statement_timeout", "DATABASE_STATEMENT_TIMEOUT"),
        ("lock_timeout", "DATABASE_LOCK_TIMEOUT"),
        ("idle_in_transaction_session_timeout", "DATABASE_IDLE_TRANSACTION_TIMEOUT"),
    ],
)
def test_the_application_waits_for_nothing_for_ever(name: str, setting: str, settings: Settings) -> None:
    def shown() -> str:
        app = connections["default"]
        with app.get_new_connection(app.get_connection_params()) as fresh:
            return str(fresh.execute(f"SHOW {name}").fetchone()[0])

    assert shown() in {"30s", "1min"}
    usual = getattr(settings, setting)
    setattr(settings, setting, 7)
    set_up()
    assert shown() == "7s"
    setattr(settings, setting, usual)
    set_up()
    assert shown() != "7s"


def test_a_new_password_comes_without_what_we_say_of_the_network() -> None:
    with patch.object(setup_database, "_new_passwords", return_value={"wl_backup": "fresh"}):
        line = set_up().splitlines()[-1]
    assert line.startswith("DATABASE_BACKUP_URL=postgresql://wl_backup:fresh@")
    assert "keepalives" not in line and "timeout" not in line
    set_up()


def test_only_its_own_role_may_stand_in_a_url(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "USER", "postgres")
    with pytest.raises(CommandError, match="DATABASE_URL connects as postgres; it must connect as wl_app"):
        set_up()


def test_a_pooler_may_add_its_project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "USER", "wl_app.abcdef")
    assert "are ready" in set_up()


def test_a_server_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["owner"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["owner"].settings_dict, "PORT", 9)
    with pytest.raises(CommandError, match="Cannot reach the database in DATABASE_OWNER_URL"):
        set_up()
