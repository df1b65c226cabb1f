"""Who is to be erased and when, and that somebody was.

Accounts that are deactivated already are erased as their letters said, but not before a week from now.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import wavelength.ids
from wavelength.tenancy.operations import IsolateTenant

WAYS = [
    ("asked", "Asked for by the person"),
    ("deactivated", "Deactivated and not had back"),
    ("command", "Asked for with manage.py"),
]
DEACTIVATED = """
    INSERT INTO accounts_erasurerequest (id, user_id, way, asked_at, happens_at)
    SELECT gen_random_uuid(), id, 'deactivated', deactivated_at,
           greatest(deactivated_at + make_interval(days => %s), now() + interval '7 days')
      FROM accounts_user
     WHERE deactivated_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_wanted_mails"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasureRecord",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("way", models.CharField(choices=WAYS, max_length=16)),
                ("counts", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("way", models.CharField(choices=WAYS, max_length=16)),
                (
                    "asked_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("happens_at", models.DateTimeField()),
                ("begun_at", models.DateTimeField(editable=False, null=True)),
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
                "constraints": [models.UniqueConstraint(fields=("user",), name="erasurerequest_user_unique")],
            },
        ),
        IsolateTenant("ErasureRequest"),
        migrations.RunSQL([(DEACTIVATED, [settings.DEACTIVATED_RETENTION_DAYS])], migrations.RunSQL.noop),
    ]
