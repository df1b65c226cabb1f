"""As on a managed service: roles made by someone who is no superuser and cannot give BYPASSRLS.

From a server of its own, because roles belong to a whole server. ``docs/decisions/owner-without-bypassrls.md``
says what stands in for the attribute; here it is tried out.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors

from wavelength.embedded import Server, programs

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = """
from accounts.models import User
from accounts.people import create_person
for name in ("alice", "bob"):
    create_person(User(email=f"{name}@example.com", name=name), way="command")
"""
ALL = """
from django.core.management import CommandError, call_command
for command in {commands!r}:
    try:
        call_command(*command.split())
    except CommandError as error:
        print(error)
"""
NAMES = ("DATABASE_URL", "DATABASE_OPERATOR_URL", "DATABASE_OWNER_URL", "DATABASE_BACKUP_URL")


@dataclass
class Managed:
    """A database whose owner is the service's customer; `superuser` is the service itself."""

    superuser: str
    urls: dict[str, str]
    first_setup: str = ""

    def manage(self, *arguments: str, code: int = 0) -> str:
        """Run manage.py with the URLs known so far; answer what it said."""
        environment = {name: value for name, value in os.environ.items() if name not in NAMES}
        process = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment | dict.fromkeys(NAMES, "") | self.urls,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == code, process.stdout + process.stderr
        return process.stdout + process.stderr

    def manage_all(self, *commands: str) -> str:
        """Run several commands in one process, whatever becomes of each; answer what they said."""
        return self.manage("shell", "-c", ALL.format(commands=commands))

    def ask(self, name: str, *statements: str) -> list[tuple[Any, ...]]:
        """Execute as the role of a URL, migrations' role for the owner's; answer the last one's rows."""
        url = self.superuser if name == "superuser" else self.urls[name]
        with psycopg.connect(url) as connection:
            if name == "DATABASE_OWNER_URL":
                connection.execute("SET ROLE wl_owner")
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def managed() -> Iterator[Managed]:
    with Server.temporary() as server:
        superuser = server.urls["DATABASE_OWNER_URL"]
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("CREATE ROLE manager LOGIN CREATEROLE PASSWORD 'manager-password'")
            connection.execute("CREATE DATABASE managed OWNER manager")
            connection.execute("CREATE DATABASE theirs")
        service = urlsplit(superuser)._replace(path="/managed")
        customer = service._replace(netloc=f"manager:manager-password@{service.netloc.rpartition('@')[2]}")
        database = Managed(urlunsplit(service), {"DATABASE_OWNER_URL": urlunsplit(customer)})
        database.first_setup = database.manage("setup_database")
        lines = [line for line in database.first_setup.splitlines() if line.startswith("DATABASE_")]
        database.urls |= dict(line.split("=", 1) for line in lines)
        database.manage("shell", "-c", ALL.format(commands=["migrate --verbosity=0"]) + PEOPLE)
        yield database


def test_setup_says_what_was_not_possible(managed: Managed) -> None:
    assert "BYPASSRLS could not be granted here" in managed.first_setup
    assert set(managed.urls) == set(NAMES)


def test_setup_again_changes_nothing(managed: Managed) -> None:
    said = managed.manage("setup_database")
    assert "are ready" in said
    assert "DATABASE_URL=" not in said
    assert managed.ask("DATABASE_URL", "SELECT current_user::text") == [("wl_app",)]


def test_check_database_finds_everything_right_and_says_which_case_holds(managed: Managed) -> None:
    said = managed.manage("check_database")
    assert "wl_owner has no BYPASSRLS here" in said
    assert "wl_backup has no BYPASSRLS here" in said
    assert "Everything holds." in said


def test_the_application_sees_nothing_outside_a_tenant(managed: Managed) -> None:
    assert managed.ask("DATABASE_URL", "SELECT count(*) FROM accounts_profile") == [(0,)]


def test_data_migrations_reach_every_row(managed: Managed) -> None:
    rows = managed.ask("DATABASE_OWNER_URL", "UPDATE accounts_profile SET bio = 'migrated' RETURNING bio")
    assert rows == [("migrated",), ("migrated",)]


def test_a_foreign_key_is_added_to_valid_data(managed: Managed) -> None:
    child = """
        CREATE TABLE trial (user_id uuid NOT NULL, profile_id uuid);
        INSERT INTO trial SELECT user_id, id FROM accounts_profile;
        CREATE UNIQUE INDEX trial_parent ON accounts_profile (user_id, id);
        ALTER TABLE trial ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY owner ON trial TO wl_owner USING (true);
    """
    key = "ALTER TABLE trial ADD FOREIGN KEY (user_id, profile_id) REFERENCES accounts_profile (user_id, id)"
    undo = "DROP TABLE trial; DROP INDEX trial_parent"
    managed.ask("DATABASE_OWNER_URL", child, key, undo)
    with pytest.raises(errors.ForeignKeyViolation):
        managed.ask("DATABASE_OWNER_URL", child, "UPDATE trial SET profile_id = gen_random_uuid()", key)


def test_definer_functions_see_across_people(managed: Managed) -> None:
    [(_, held)] = managed.ask("DATABASE_URL", "SELECT * FROM ring_keys_in_use()")
    assert held == 2


def test_a_dump_holds_every_row(managed: Managed) -> None:
    dumped = subprocess.run(
        [programs() / "pg_dump", "--enable-row-security", "--data-only", managed.urls["DATABASE_BACKUP_URL"]],
        capture_output=True,
        text=True,
        check=True,
    )
    people = [str(pk) for (pk,) in managed.ask("DATABASE_BACKUP_URL", "SELECT id FROM accounts_user")]
    profiles = dumped.stdout.partition("COPY public.accounts_profile ")[2].partition("\\.")[0]
    assert len(people) == 2
    assert all(person in profiles for person in people)


def test_backup_writes_nothing(managed: Managed) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        managed.ask("DATABASE_BACKUP_URL", "UPDATE accounts_profile SET bio = ''")


def test_erasing_a_person_cascades_past_the_policies(managed: Managed) -> None:
    managed.manage("shell", "-c", PEOPLE.replace('("alice", "bob")', '("charlie",)'))
    managed.ask("DATABASE_URL", "DELETE FROM accounts_user WHERE email = 'charlie@example.com' RETURNING id")
    assert managed.ask("DATABASE_OWNER_URL", "SELECT count(*) FROM accounts_profile") == [(2,)]


def test_who_may_not_create_roles_is_told(managed: Managed) -> None:
    owner = managed.urls["DATABASE_OWNER_URL"]
    managed.urls["DATABASE_OWNER_URL"] = managed.urls["DATABASE_URL"]
    try:
        said = managed.manage("setup_database", code=1)
    finally:
        managed.urls["DATABASE_OWNER_URL"] = owner
    assert "may not do this" in said
    assert "Use the role your PostgreSQL came with" in said


def test_a_database_of_somebody_elses_is_told(managed: Managed) -> None:
    """PostgreSQL only warns where one who owns neither database nor schema grants."""
    owner = urlsplit(managed.urls["DATABASE_OWNER_URL"])
    theirs = Managed(
        managed.superuser, managed.urls | {"DATABASE_OWNER_URL": urlunsplit(owner._replace(path="/theirs"))}
    )
    said = theirs.manage("setup_database", code=1)
    assert "wl_owner may not create tables." in said
    assert "use the database's owner" in said


def test_roles_that_went_wrong_are_mended(managed: Managed) -> None:
    managed.ask("superuser", "ALTER ROLE wl_app CREATEROLE BYPASSRLS", "GRANT wl_owner TO wl_app")
    managed.ask("superuser", "ALTER ROLE manager SUPERUSER")
    try:
        before, _, after = managed.manage_all("check_database", "setup_database", "check_database").partition(
            "are ready"
        )
    finally:
        managed.ask("superuser", "ALTER ROLE manager NOSUPERUSER")
        managed.ask("superuser", "ALTER ROLE wl_owner NOBYPASSRLS", "ALTER ROLE wl_backup NOBYPASSRLS")
    for wrong in (
        "DATABASE_URL can pass row-level security by: it has BYPASSRLS.",
        "DATABASE_URL can pass row-level security by: as a member of wl_owner, it owns tables of ours.",
        "wl_app is allowed to create roles",
        "wl_app is allowed to pass row-level security by",
        "wl_app is a member of wl_owner",
        "shows rows outside a tenant",
    ):
        assert wrong in before
        assert wrong not in after


def test_the_stand_ins_go_when_the_attribute_comes(managed: Managed) -> None:
    managed.ask("superuser", "ALTER ROLE wl_owner BYPASSRLS", "ALTER ROLE wl_backup BYPASSRLS")
    try:
        said = managed.manage_all("check_database", "migrate --verbosity=0", "check_database")
    finally:
        managed.ask("superuser", "ALTER ROLE wl_owner NOBYPASSRLS", "ALTER ROLE wl_backup NOBYPASSRLS")
    assert "the policy owner should not be there" in said
    assert said.endswith("Everything holds.\n")
    said = managed.manage_all("check_database", "migrate --verbosity=0", "check_database")
    assert "the policy owner is missing" in said
    assert said.endswith("Everything holds.\n")
