"""A table for what processes share for a while, where there is no Redis."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0009_due_mails")]

    operations = [
        migrations.CreateModel(
            name="SharedValue",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("value", models.TextField(db_default="")),
                ("amount", models.BigIntegerField(db_default=0)),
                ("ends_at", models.DateTimeField()),
            ],
            options={"db_table": "wavelength_shared"},
        ),
        # Not worth a write-ahead log: a crash may empty it, and a backup leaves it out.
        migrations.RunSQL(
            "ALTER TABLE wavelength_shared SET UNLOGGED, SET (fillfactor = 70)",
            "ALTER TABLE wavelength_shared SET LOGGED, RESET (fillfactor)",
        ),
    ]
