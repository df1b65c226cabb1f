"""Messages of browsers without an account, counted exactly."""

from django.db import migrations, models

from wavelength.tenancy.operations import InvokerFunction

# Counts one message of a browser and of its address, or of neither and says which of them has none left. Rows are locked
# in one order, address before browser, so that nothing deadlocks. What is used up is seen before anything is written:
# whoever goes on asking leaves no trace.
COUNT_ANONYMOUS = """
    RETURNS TABLE (messages integer, refused text) LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        counted integer;
    BEGIN
        SELECT d.messages INTO counted
          FROM usage_anonymousday d WHERE d.day = today AND d.scope = 'session' AND d.name = session;
        IF counted >= most THEN
            RETURN QUERY SELECT counted, 'session';
            RETURN;
        END IF;
        INSERT INTO usage_anonymousday AS d (day, scope, name, messages)
        SELECT today, 'address', address, 1 WHERE most_of_address > 0
        ON CONFLICT (day, scope, name) DO UPDATE SET messages = d.messages + 1 WHERE d.messages < most_of_address;
        IF NOT FOUND THEN
            RETURN QUERY SELECT coalesce(counted, 0), 'address';
            RETURN;
        END IF;
        INSERT INTO usage_anonymousday AS d (day, scope, name, messages) VALUES (today, 'session', session, 1)
        ON CONFLICT (day, scope, name) DO UPDATE SET messages = d.messages + 1 WHERE d.messages < most
        RETURNING d.messages INTO counted;
        IF NOT FOUND THEN
            UPDATE usage_anonymousday d SET messages = d.messages - 1
             WHERE d.day = today AND d.scope = 'address' AND d.name = address;
            RETURN QUERY SELECT most, 'session';
            RETURN;
        END IF;
        RETURN QUERY SELECT counted, NULL;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0006_record_of_session")]

    operations = [
        migrations.CreateModel(
            name="AnonymousDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "day", "scope", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                (
                    "scope",
                    models.CharField(choices=[("session", "Browser"), ("address", "Network address")], max_length=8),
                ),
                ("name", models.CharField(max_length=200)),
                ("messages", models.IntegerField()),
            ],
        ),
        InvokerFunction(
            "usage_count_anonymous(today date, session text, address text, most integer, most_of_address integer)",
            COUNT_ANONYMOUS,
        ),
    ]
