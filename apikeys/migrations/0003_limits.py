"""A key's limits are quotas (usage_quotalimit.api_key_id): two for each key there is, and none without its key."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

GIVE = """
    INSERT INTO usage_quotalimit (id, user_id, period, provider, model, tier, api_key_id, request_limit)
    SELECT gen_random_uuid(), k.user_id, p.period, '', '', '', k.id, p.allowed
      FROM apikeys_apikey k, LATERAL (VALUES ('daily', k.daily_limit), ('monthly', k.monthly_limit)) AS p (period, allowed)
    ON CONFLICT DO NOTHING
"""
# The key and all that was counted through it go together; the ledger, which knows no keys, stays.
BELONG = """
    ALTER TABLE usage_quotalimit ADD CONSTRAINT usage_quotalimit_api_key_tenant_fk
        FOREIGN KEY (user_id, api_key_id) REFERENCES apikeys_apikey (user_id, id) ON DELETE CASCADE NOT DEFERRABLE
"""

BEFORE = import_module("usage.migrations.0003_metering").KNOW_KEY
# A key that is switched off is as good as none: nothing is reserved or recorded through it.
KNOW_KEY = """
    RETURNS void LANGUAGE plpgsql STABLE AS $$
    BEGIN
        IF through_key IS NOT NULL AND NOT EXISTS (
            SELECT FROM apikeys_apikey WHERE user_id = person AND id = through_key AND is_active
        ) THEN
            RAISE EXCEPTION 'There is no such key.' USING ERRCODE = 'WL404';
        END IF;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0002_due_validation"), ("usage", "0005_limits_of_everyone")]

    operations = [
        migrations.RunSQL(GIVE, migrations.RunSQL.noop),
        migrations.RunSQL(BELONG, "ALTER TABLE usage_quotalimit DROP CONSTRAINT usage_quotalimit_api_key_tenant_fk"),
        InvokerFunction("usage_know_key(person uuid, through_key uuid)", KNOW_KEY, before=BEFORE),
    ]
