"""`live_versions`: for each of these people a text that is another one whenever their usage changed.

Open pages are told by it that their figures moved. Every request that is counted or reserved writes the open window of
the person's overall monthly limit, so that row tells, and the one before it for what is recorded late. Both are found
by the indexes there are: it costs as much as people are asked about, however many there are, and recording pays nothing.
Of what the rows hold, only a hash leaves them.
"""

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

QUERY = """
        SELECT p.id,
               (SELECT coalesce(sum(hash_record_extended(w, 0)) + max(hash_record_extended(l, 0)), 0)::text
                  FROM usage_quotalimit l,
                       LATERAL (SELECT q.* FROM usage_quotawindow q
                                 WHERE q.user_id = p.id AND q.limit_id = l.id
                                 ORDER BY q.ends_at DESC
                                 LIMIT 2) AS w
                 WHERE l.user_id = p.id AND l.period = 'monthly' AND l.provider = '' AND l.model = ''
                   AND l.api_key_id IS NULL)
          FROM unnest(people) AS p (id)
"""
LIVE_VERSIONS = f"""
    RETURNS TABLE (person uuid, version text) LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN QUERY {QUERY};
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0016_batches")]

    operations = [DefinerFunction("live_versions(people uuid[])", LIVE_VERSIONS)]
