"""The default quotas of who had an account before there were any; everybody else gets them with the account."""

from django.db import migrations

GIVE = """
    INSERT INTO usage_quotalimit (id, user_id, period, provider, model, tier, request_limit, token_limit, cost_limit)
    SELECT gen_random_uuid(), u.id, d.period, '', '', u.tier, d.requests, d.tokens, d.cost
      FROM accounts_user u
      JOIN (VALUES ('free', 'daily', 500, 100000, 5), ('free', 'monthly', 5000, 1000000, 50),
                   ('pro', 'daily', 5000, 1000000, 50), ('pro', 'monthly', 50000, 10000000, 500))
           AS d (tier, period, requests, tokens, cost) ON d.tier = u.tier
    ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_sync")]

    operations = [migrations.RunSQL(GIVE, migrations.RunSQL.noop)]
