"""`usage_key_used`: where it is noted that a request went through a key. `apikeys`, which stands above, fills it in."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction, changed

metering = import_module("usage.migrations.0003_metering")
before = import_module("usage.migrations.0019_closed_days")

NOTHING = """
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
    END $$
"""
SIGNATURE = "usage_key_used(person uuid, through_key uuid, at timestamptz)"

COUNT = changed(
    before.COUNT,
    "        IF happened < now() - interval '1 day' THEN\n",
    "        IF through_key IS NOT NULL THEN\n"
    "            PERFORM usage_key_used(person, through_key, at);\n"
    "        END IF;\n"
    "        IF happened < now() - interval '1 day' THEN\n",
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0020_limits_then")]

    operations = [
        InvokerFunction(SIGNATURE, NOTHING),
        InvokerFunction(metering.COUNT_SIGNATURE, COUNT, before=before.COUNT),
    ]
