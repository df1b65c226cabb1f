from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0021_key_used"),
    ]

    operations = [
        migrations.AlterField(
            model_name="advicedismissal",
            name="kind",
            field=models.CharField(
                choices=[
                    ("cheaper", "Cheaper model"),
                    ("quota", "Quota that ends early"),
                    ("day", "Unusual day"),
                    ("key_idle", "Unused key"),
                    ("key_failing", "Failing key"),
                    ("key_unusual", "Key used far more than usual"),
                    ("key_exposed", "Key in plain text"),
                ],
                max_length=16,
            ),
        ),
    ]
