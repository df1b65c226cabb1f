"""The migration operations: one line gives a new table everything, and its reverse takes it back."""

from collections.abc import Callable, Iterator
from io import StringIO
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections, models, transaction
from django.db.migrations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

from wavelength.tenancy import lint
from wavelength.tenancy.operations import DefinerFunction, IsolateTenant
from wavelength.tenancy.roles import grant_tables

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"])


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    with transaction.atomic(using="owner"):
        yield
        transaction.set_rollback(True, using="owner")


def notebook() -> CreateModel:
    """A model as `makemigrations` would write it."""
    return CreateModel(
        "Notebook",
        [
            ("id", models.UUIDField(primary_key=True, default=uuid4)),
            (
                "user",
                models.ForeignKey(
                    "accounts.User", models.CASCADE, db_constraint=False, db_index=False, related_name="+"
                ),
            ),
        ],
        {"constraints": [models.UniqueConstraint(fields=["user", "id"], name="notebook_user_id")]},
    )


def note() -> CreateModel:
    parent = models.ForeignKey("accounts.Notebook", models.CASCADE, db_constraint=False, db_index=False)
    user = models.ForeignKey("accounts.User", models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    return CreateModel(
        "Note",
        [("id", models.UUIDField(primary_key=True, default=uuid4)), ("user", user), ("book", parent)],
        {"indexes": [models.Index(fields=["user", "book"], name="note_book")]},
    )


def migrate(*operations: Operation) -> Callable[[], None]:
    """Apply to the owner's database; answers what undoes it."""
    state = ProjectState.from_apps(apps)
    steps = []
    for operation in operations:
        before, state = state.clone(), state.clone()
        operation.state_forwards("accounts", state)
        with connections["owner"].schema_editor() as editor:
            operation.database_forwards("accounts", editor, before, state)
        steps.append((operation, before, state))

    def undo() -> None:
        for operation, earlier, later in reversed(steps):
            with connections["owner"].schema_editor() as editor:
                operation.database_backwards("accounts", editor, later, earlier)

    return undo


def faults_of(table: str) -> list[str]:
    grant_tables(connections["owner"])
    return [sentence for sentence in lint.faults(connections["owner"]) if table in sentence]


def test_one_line_gives_everything() -> None:
    migrate(notebook(), note(), IsolateTenant("Notebook"), IsolateTenant("Note", parents={"book": "Notebook"}))
    assert faults_of("accounts_note") == []


@pytest.mark.parametrize("missing", ["Notebook", "Note"])
def test_a_forgotten_line_is_found(missing: str) -> None:
    lines = {"Notebook": IsolateTenant("Notebook"), "Note": IsolateTenant("Note", parents={"book": "Notebook"})}
    del lines[missing]
    operations = [notebook(), note(), *([] if missing == "Notebook" else [lines["Notebook"]])]
    migrate(*operations)
    table = f"accounts_{missing.lower()}:"
    found = faults_of(table)
    for sentence in ("row-level security is off", "is not forced", "policy tenant is missing", "no foreign key"):
        assert any(sentence in fault for fault in found), found


def test_the_reverse_takes_everything_back() -> None:
    undo = migrate(notebook(), note(), IsolateTenant("Notebook"), IsolateTenant("Note", parents={"book": "Notebook"}))
    undo()
    assert faults_of("accounts_note") == []
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'accounts_note%'")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    "operation",
    [
        IsolateTenant("AuditEvent", operator=True),
        IsolateTenant("Message", parents={"chat": "Chat"}),
        IsolateTenant("ApiKey", parents={"chat": "chats.Chat"}),
        DefinerFunction("due(kind text)", "RETURNS uuid LANGUAGE sql AS ''", roles=("wl_app",), before="RETURNS uuid"),
    ],
    ids=["operator", "parents", "another app", "function"],
)
def test_operations_are_written_as_they_were_made(operation: IsolateTenant | DefinerFunction) -> None:
    written, _ = OperationWriter(operation).serialize()
    name, arguments, options = operation.deconstruct()
    again = type(operation)(*arguments, **options)
    assert OperationWriter(again).serialize()[0] == written
    assert name in written


def test_a_function_and_its_reverse() -> None:
    first = "RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    second = "RETURNS integer LANGUAGE sql AS 'SELECT 2'"
    drop = migrate(DefinerFunction("peek()", first))
    assert answer() == 1
    restore = migrate(DefinerFunction("peek()", second, before=first))
    assert answer() == 2
    # Known to nobody yet, and otherwise as such a function must be: no other sentence names it.
    assert faults_of("peek") == ["peek(): runs as its owner and is not on the list of such functions."]
    restore()
    assert answer() == 1
    drop()
    assert faults_of("peek") == []


def answer() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT peek()")
        [value] = cursor.fetchone()
        return int(value)


def test_the_sql_can_be_read_before_it_runs() -> None:
    output = StringIO()
    call_command("sqlmigrate", "accounts", "0001", database="owner", stdout=output)
    said = output.getvalue()
    assert 'ALTER TABLE "accounts_profile" FORCE ROW LEVEL SECURITY;' in said
    assert 'CREATE POLICY tenant ON "accounts_profile" TO wl_app USING' in said


def test_a_plan_changes_no_grant() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("REVOKE INSERT ON accounts_auditevent FROM wl_app")
    call_command("migrate", plan=True, verbosity=0, stdout=StringIO())
    found = lint.faults(connections["owner"])
    assert found == ["wl_app may not INSERT accounts_auditevent: run `manage.py migrate`."]
    call_command("migrate", verbosity=0, stdout=StringIO())
    assert lint.faults(connections["owner"]) == []
