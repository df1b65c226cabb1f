"""`due` also hands out whose reservations were not heard of in time, and whose day or month of quotas has ended.

It stands here, in the app that knows every other, from now on.
"""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("apikeys.migrations.0002_due_validation").DUE
# Open reservations are few and have an index of their own. A quota's day or month is followed by the next one only where
# something was used in it: whoever is away costs nothing, and gets theirs with their next request. The overall quotas
# tell, because they count everything. Their last window is one look-up: 100,000 people are read in two seconds.
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
        UNION ALL
        (SELECT DISTINCT user_id
           FROM usage_reservation
          WHERE kind = 'reservations' AND state = 'open' AND expires_at <= now() AND user_id > after
          ORDER BY user_id
          LIMIT how_many)
        UNION ALL
        (SELECT DISTINCT l.user_id
           FROM usage_quotalimit l,
                LATERAL (SELECT w.ends_at, w.used_requests
                           FROM usage_quotawindow w
                          WHERE w.user_id = l.user_id AND w.limit_id = l.id
                          ORDER BY w.ends_at DESC
                          LIMIT 1) AS latest
          WHERE kind = 'windows' AND l.user_id > after AND l.provider = '' AND l.model = '' AND l.api_key_id IS NULL
            AND latest.ends_at <= now() AND latest.used_requests > 0
          ORDER BY l.user_id
          LIMIT how_many)
    $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wavelength", "0002_account_of_session"),
        ("accounts", "0002_due"),
        ("apikeys", "0003_limits"),
        ("usage", "0005_limits_of_everyone"),
    ]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
