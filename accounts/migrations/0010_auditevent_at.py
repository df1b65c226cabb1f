"""Events of everybody by their time, for the hourly count of them."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_dataarchive")]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=BrinIndex(autosummarize=True, fields=["at"], name="auditevent_at"),
        ),
    ]
