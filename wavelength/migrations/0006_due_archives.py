"""`due` also hands out whose archive nobody goes on making, or was kept long enough."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("wavelength.migrations.0005_erasure").DUE
END = """
    $$
"""
ARCHIVES = """
        UNION ALL
        (SELECT user_id
           FROM accounts_dataarchive
          WHERE kind = 'archives' AND user_id > after
            AND (expires_at <= now()
                 OR state = 'making' AND coalesce(moved_at, asked_at) <= now() - interval '10 minutes')
          ORDER BY user_id
          LIMIT how_many)"""
DUE = BEFORE.removesuffix(END) + ARCHIVES + END


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0005_erasure"), ("accounts", "0009_dataarchive")]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
