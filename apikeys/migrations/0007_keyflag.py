import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import wavelength.ids
from wavelength.tenancy.operations import IsolateTenant


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0006_last_used"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyFlag",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("failing", "Refused by its provider"),
                            ("unusual", "Used far more than usual"),
                            ("exposed", "Found in plain text"),
                        ],
                        max_length=16,
                    ),
                ),
                ("details", models.JSONField(default=dict)),
                (
                    "flagged_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("dismissed_at", models.DateTimeField(null=True)),
                (
                    "key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="flags",
                        to="apikeys.apikey",
                    ),
                ),
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
                "verbose_name": "flag of a provider key",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "key", "reason"), name="keyflag_reason_unique")
                ],
            },
        ),
        IsolateTenant("KeyFlag", parents={"key": "ApiKey"}),
    ]
