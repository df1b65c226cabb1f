"""`usage_estimate`: what a request may cost before it is known. An index for looking at everybody's last days."""

import django.contrib.postgres.indexes
import django.core.validators
from django.db import migrations, models

from wavelength.tenancy.operations import InvokerFunction

# What the caller says; else the most at the administrator's price of the model, at `listed`, or nothing.
ESTIMATE = """
    RETURNS numeric LANGUAGE plpgsql STABLE AS $$
    DECLARE
        most numeric;
    BEGIN
        IF given IS NULL THEN
            SELECT p.request_price + tokens * greatest(p.input_price, p.output_price, p.reasoning_price) / 1000000
              INTO most
              FROM usage_modelprice p WHERE p.provider = of_provider AND p.model = of_model;
        END IF;
        RETURN round(coalesce(given, most, listed, 0), 12);
    END $$
"""
ESTIMATE_SIGNATURE = "usage_estimate(given numeric, of_provider text, of_model text, tokens bigint, listed numeric)"


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0008_report"),
    ]

    operations = [
        InvokerFunction(ESTIMATE_SIGNATURE, ESTIMATE),
        migrations.AlterField(
            model_name="modelaccess",
            name="model",
            field=models.CharField(
                blank=True,
                help_text="Exactly as clients send it. Empty for all models of the provider.",
                max_length=200,
            ),
        ),
        migrations.AlterField(
            model_name="modelaccess",
            name="provider",
            field=models.CharField(help_text="Exactly as clients send it.", max_length=200),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="cached_price",
            field=models.DecimalField(
                blank=True,
                decimal_places=9,
                help_text="US dollars a million tokens. Empty: as other input.",
                max_digits=18,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="price of cached input",
            ),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="input_price",
            field=models.DecimalField(
                decimal_places=9,
                help_text="US dollars a million tokens.",
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="price of input",
            ),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="model",
            field=models.CharField(help_text="Exactly as clients send it.", max_length=200),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="output_price",
            field=models.DecimalField(
                decimal_places=9,
                help_text="US dollars a million tokens.",
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="price of output",
            ),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="provider",
            field=models.CharField(help_text="Exactly as clients send it.", max_length=200),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="reasoning_price",
            field=models.DecimalField(
                blank=True,
                decimal_places=9,
                help_text="US dollars a million tokens. Empty: as output.",
                max_digits=18,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="price of reasoning",
            ),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="request_price",
            field=models.DecimalField(
                decimal_places=9,
                default=0,
                help_text="US dollars for each request, beside its tokens.",
                max_digits=18,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="price of a request",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["hour"], name="usagerecord_hour"
            ),
        ),
    ]
