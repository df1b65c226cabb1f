"""Recording over HTTP: who is asking and what they used in one round trip, and room for sums that nobody reaches.

`usage_record_of_session` enters by itself (accounts/migrations/0004_enter.py) and runs with its caller's rights, under
the policies. It answers NULL when nobody stands behind the session, and says the rest as `usage_record` does.
"""

from django.db import migrations, models

from wavelength.tenancy.operations import InvokerFunction

RECORD_OF_SESSION = """
    RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        person accounts_user := enter(wanted, stamp);
    BEGIN
        IF person.id IS NULL THEN
            RETURN NULL;
        END IF;
        RETURN usage_record(record, person.id, of_provider, of_model, 'client', requests, input, output, reasoning,
                            cached, reported_cost, computed_cost, through_key, idempotency, body_digest, NULL, now());
    END $$
"""
RECORD_OF_SESSION_SIGNATURE = (
    "usage_record_of_session(wanted text, stamp text, record uuid, of_provider text, of_model text, requests bigint,"
    " input bigint, output bigint, reasoning bigint, cached bigint, reported_cost numeric, computed_cost numeric,"
    " through_key uuid, idempotency text, body_digest text)"
)


class Migration(migrations.Migration):
    dependencies = [("usage", "0005_limits_of_everyone"), ("accounts", "0004_enter")]

    operations = [
        migrations.AlterField(
            "usagerecord", "total_cost", models.DecimalField(max_digits=36, decimal_places=12, null=True)
        ),
        migrations.AlterField(
            "usagerecord", "computed_cost", models.DecimalField(max_digits=36, decimal_places=12, null=True)
        ),
        migrations.AlterField(
            "quotawindow", "used_cost", models.DecimalField(max_digits=36, decimal_places=12, db_default=0)
        ),
        migrations.AlterField(
            "quotawindow", "reserved_cost", models.DecimalField(max_digits=36, decimal_places=12, db_default=0)
        ),
        InvokerFunction(RECORD_OF_SESSION_SIGNATURE, RECORD_OF_SESSION),
    ]
