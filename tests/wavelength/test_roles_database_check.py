"""``manage.py check_database``: what it says of a sound database, and of every unsound one.

Roles belong to the whole server, which other tests are using: what it says of spoiled roles stands in
test_roles_managed_service, which has a server of its own.
"""

import os
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
URLS = ("DATABASE_URL", "DATABASE_OPERATOR_URL", "DATABASE_OWNER_URL", "DATABASE_BACKUP_URL")


def checked() -> str:
    output = StringIO()
    call_command("check_database", stdout=output, no_color=True)
    return output.getvalue()


def found_wrong() -> str:
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("check_database", stdout=output, no_color=True)
    assert "Everything holds" not in output.getvalue()
    return output.getvalue()


def as_superuser(statement: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("RESET ROLE")
        try:
            cursor.execute(statement)
        finally:
            cursor.execute("SET ROLE wl_owner")


def test_it_works(alice: User, bob: User) -> None:
    said = checked()
    assert "as wl_app, for the web, the API and the worker." in said
    assert "as wl_operator, for the admin" in said
    assert "as wl_owner, for migrations." in said
    assert "as wl_backup, for dumps." in said
    assert "Every migration is applied." in said
    assert "outside a tenant no row shows" in said
    assert "Tried as 2 of the people here" in said
    assert said.endswith("Everything holds.\n")


def test_what_setup_database_was_not_told_of_is_named(settings: Settings) -> None:
    settings.DATABASE_LOCK_TIMEOUT = 7
    assert "wl_app has a lock_timeout of 30 seconds, not 7: run `manage.py setup_database`." in found_wrong()


def test_nobody_is_there_yet() -> None:
    assert "there are no rows to try the policies on" in checked()


def test_no_password_is_printed(alice: User) -> None:
    said = checked()
    passwords = [urlsplit(os.environ[name]).password for name in URLS]
    assert not any(password and password in said for password in passwords)


def test_a_policy_that_is_gone(alice: User) -> None:
    as_superuser("ALTER TABLE accounts_profile DISABLE ROW LEVEL SECURITY")
    try:
        said = found_wrong()
    finally:
        as_superuser("ALTER TABLE accounts_profile ENABLE ROW LEVEL SECURITY")
    assert "✗ accounts_profile: row-level security is off." in said
    assert "✗ accounts_profile: shows rows outside a tenant." in said
    assert "✗ accounts_profile: can be read with row_security off." in said


def test_a_policy_too_wide(alice: User, bob: User) -> None:
    as_superuser("CREATE POLICY wide ON accounts_profile TO wl_app USING (current_setting('app.user_id', true) <> '')")
    try:
        said = found_wrong()
    finally:
        as_superuser("DROP POLICY wide ON accounts_profile")
    assert "✗ accounts_profile: the policy wide should not be there." in said
    assert "✗ accounts_profile: shows others' rows to a person." in said
    assert "shows rows outside" not in said


def test_a_missing_migration() -> None:
    recorder = MigrationRecorder(connections["owner"])
    recorder.record_unapplied("accounts", "0002_due")
    try:
        said = found_wrong()
    finally:
        recorder.record_applied("accounts", "0002_due")
    assert "accounts.0002_due" in said
    assert "run `manage.py migrate`" in said


def test_a_database_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].close()
    monkeypatch.setitem(connections["default"].settings_dict, "PASSWORD", "a wrong password")
    try:
        said = found_wrong()
    finally:
        connections["default"].close()
    assert "cannot be reached as wl_app" in said
    assert "a wrong password" not in said


def test_a_backup_that_would_not_work(settings: Settings) -> None:
    settings.BACKUP_DATABASE = {**(settings.BACKUP_DATABASE or {}), "PASSWORD": "a wrong password"}
    said = found_wrong()
    assert "✗ DATABASE_BACKUP_URL cannot be reached as wl_backup" in said
    assert "a wrong password" not in said


def test_without_an_owner(settings: Settings, monkeypatch: pytest.MonkeyPatch, alice: User) -> None:
    """A serving machine need not hold the owner's URL: the application's own role can ask as much."""
    monkeypatch.setitem(settings.DATABASES["owner"], "NAME", "")
    monkeypatch.setitem(settings.DATABASES["operator"], "NAME", "")
    said = checked()
    assert "DATABASE_OWNER_URL is not set here; it is for migrations." in said
    assert said.endswith("Everything holds.\n")
