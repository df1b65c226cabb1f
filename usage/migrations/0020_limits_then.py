"""What a window's limit allowed at its end, once that has changed."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0019_closed_days")]

    operations = [
        migrations.AddField(
            model_name="quotawindow",
            name="limits_then",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DecimalField(decimal_places=12, max_digits=36, null=True), null=True, size=None
            ),
        ),
    ]
