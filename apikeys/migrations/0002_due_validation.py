"""`due` also hands out whose keys have not been checked for most of a day."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("accounts.migrations.0002_due").DUE
DUE = """
    RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
        (SELECT user_id
           FROM accounts_datakey
          WHERE kind = 'rotation' AND ring_key_id <> detail AND user_id > after
          ORDER BY user_id
          LIMIT how_many)
        UNION ALL
        (SELECT DISTINCT user_id
           FROM apikeys_apikey
          WHERE kind = 'validation' AND is_active AND user_id > after
            AND (last_validated IS NULL OR last_validated < now() - interval '20 hours')
          ORDER BY user_id
          LIMIT how_many)
    $$
"""


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0001_initial"), ("accounts", "0002_due")]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
