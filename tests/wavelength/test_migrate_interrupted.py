"""A migration is noted in the transaction that does it; drill/schema_interrupted.py kills the real command."""

import pytest
from django.core.management.commands import migrate
from django.db import connections, migrations, models
from django.db.migrations.state import ProjectState

from wavelength.management.commands.migrate import WholeExecutor

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


class KilledError(Exception):
    """Instead of SIGKILL, in the moment between a migration's work and the note about it."""


class Interrupted(migrations.Migration):
    # An index and a key that come after the tables: with those, Django itself notes the migration afterwards.
    operations = (
        migrations.CreateModel("Halfway", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel(
            "Other",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("first", models.ForeignKey("wavelength.Halfway", models.CASCADE)),
            ],
        ),
    )


def test_what_was_not_noted_was_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KilledError

    owner = connections["owner"]
    executor = WholeExecutor(owner)
    monkeypatch.setattr(executor, "record_migration", die)

    with pytest.raises(KilledError):
        executor.apply_migration(ProjectState(), Interrupted("interrupted", "wavelength"))

    assert not {"wavelength_halfway", "wavelength_other"} & set(owner.introspection.table_names())


def test_the_command_works_so() -> None:
    assert vars(migrate)["MigrationExecutor"] is WholeExecutor
