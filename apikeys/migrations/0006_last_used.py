"""When a key was last used stands with the key: every look at an account asked the windows of each key's quota for it."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

before = import_module("usage.migrations.0021_key_used")

# To the minute, so that a busy key is not written with every request. Whoever is changing the key has it locked and
# wants the person's usage next, which is held here: it is left then, for the next request to note.
NOTE = """
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE apikeys_apikey SET last_used = at
         WHERE user_id = person
           AND id = (SELECT k.id FROM apikeys_apikey k
                      WHERE k.user_id = person AND k.id = through_key
                        AND (k.last_used IS NULL OR k.last_used < at - interval '1 minute')
                        FOR NO KEY UPDATE SKIP LOCKED);
    END $$
"""
SO_FAR = """
    UPDATE apikeys_apikey k SET last_used = greatest(k.last_used, used.at)
      FROM (SELECT l.user_id, l.api_key_id, max(w.updated_at) AS at
              FROM usage_quotalimit l
              JOIN usage_quotawindow w ON w.user_id = l.user_id AND w.limit_id = l.id AND w.used_requests > 0
             WHERE l.api_key_id IS NOT NULL
             GROUP BY l.user_id, l.api_key_id) AS used
     WHERE k.user_id = used.user_id AND k.id = used.api_key_id
"""


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0005_failure_told"), ("usage", "0021_key_used")]

    operations = [
        InvokerFunction(before.SIGNATURE, NOTE, before=before.NOTHING),
        migrations.RunSQL(SO_FAR, migrations.RunSQL.noop),
    ]
