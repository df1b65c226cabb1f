"""Which mails a person wants; at first those that warn of something of their own."""

import django.contrib.postgres.fields
from django.db import migrations, models

import accounts.models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_audit_origin"),
    ]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="wanted_mails",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[("quota", "A quota runs low"), ("key", "A key stops working"), ("news", "Product news")],
                    max_length=16,
                ),
                blank=True,
                default=accounts.models._wanted_at_first,
                size=None,
            ),
        ),
    ]
