"""Hand-overs of everybody by their time, for the hourly count of them."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("chats", "0005_handover_progress")]

    operations = [
        migrations.AddIndex(
            model_name="handover",
            index=BrinIndex(autosummarize=True, fields=["started_at"], name="handover_started"),
        ),
    ]
