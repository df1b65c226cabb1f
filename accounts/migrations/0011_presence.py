"""Who was here on which day, and `note_presence`, which notes today for many people in one statement.

The thread that notes it serves nobody, so the function runs as the owner. It answers nothing, and what somebody could make
of it is a higher count of active people.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import wavelength.ids
from wavelength.tenancy.operations import DefinerFunction, IsolateTenant

# In one order, so that no two processes wait for each other.
NOTE_PRESENCE = """
    RETURNS void LANGUAGE sql AS $$
        INSERT INTO accounts_presence (id, user_id, day)
        SELECT gen_random_uuid(), u.id, (statement_timestamp() AT TIME ZONE 'UTC')::date
          FROM accounts_user u
         WHERE u.id = ANY (people)
         ORDER BY u.id
        ON CONFLICT (user_id, day) DO NOTHING
    $$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_auditevent_at")]

    operations = [
        migrations.CreateModel(
            name="Presence",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("day", models.DateField()),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "day"), name="presence_unique")],
            },
        ),
        IsolateTenant("Presence"),
        DefinerFunction("note_presence(people uuid[])", NOTE_PRESENCE),
    ]
