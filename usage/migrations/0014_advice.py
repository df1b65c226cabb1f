import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import wavelength.ids
from wavelength.tenancy.operations import IsolateTenant


class Migration(migrations.Migration):
    dependencies = [("usage", "0013_prices"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="AdviceDismissal",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("cheaper", "Cheaper model"),
                            ("quota", "Quota that ends early"),
                            ("day", "Unusual day"),
                            ("key_idle", "Unused key"),
                            ("key_failing", "Failing key"),
                        ],
                        max_length=16,
                    ),
                ),
                ("subject", models.CharField(max_length=32)),
                ("until", models.DateTimeField()),
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
                "constraints": [
                    models.UniqueConstraint(fields=["user", "kind", "subject"], name="advicedismissal_unique")
                ],
            },
        ),
        IsolateTenant("AdviceDismissal"),
    ]
