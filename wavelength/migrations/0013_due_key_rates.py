"""`due` also hands out whose key was used much today: only these are compared with their usual rate."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("wavelength.migrations.0009_due_mails").DUE
END = """
    $$
"""
# A key's open day is one look-up, as for `windows`. Below 100 requests no day is unusual (apikeys/watching.py).
RATES = """
        UNION ALL
        (SELECT DISTINCT l.user_id
           FROM usage_quotalimit l,
                LATERAL (SELECT w.ends_at, w.used_requests
                           FROM usage_quotawindow w
                          WHERE w.user_id = l.user_id AND w.limit_id = l.id
                          ORDER BY w.ends_at DESC
                          LIMIT 1) AS latest
          WHERE kind = 'key_rates' AND l.user_id > after AND l.api_key_id IS NOT NULL AND l.period = 'daily'
            AND latest.ends_at > now() AND latest.used_requests >= 100
          ORDER BY l.user_id
          LIMIT how_many)"""
DUE = BEFORE.removesuffix(END) + RATES + END


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0012_operatoralert"), ("apikeys", "0007_keyflag"), ("usage", "0022_advice_noticed")]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
