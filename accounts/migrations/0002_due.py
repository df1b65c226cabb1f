"""The definer functions that look across people: who has work waiting, which ring keys are used.

`due` hands out user ids and nothing else. A later kind of work replaces it with a body that holds
every branch of the one before, given there as `before=`.
"""

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

DUE = """
    RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
        SELECT user_id
          FROM accounts_datakey
         WHERE kind = 'rotation' AND ring_key_id <> detail AND user_id > after
         ORDER BY user_id
         LIMIT how_many
    $$
"""
RING_KEYS_IN_USE = """
    RETURNS TABLE (ring_key_id text, held bigint) LANGUAGE sql STABLE AS $$
        SELECT wrapped.ring_key_id, count(*)
          FROM (SELECT d.ring_key_id FROM accounts_datakey d
                UNION ALL
                SELECT s.ring_key_id FROM accounts_systemkey s) AS wrapped
         GROUP BY wrapped.ring_key_id
    $$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE),
        DefinerFunction("ring_keys_in_use()", RING_KEYS_IN_USE),
    ]
