"""`session_with_profile`: what a page must know of who is asking, in one look: session, person and profile.

As `session_of`, with the person's profile, which is read as that person and under its policy. Within a
transaction of somebody else's, whoever was served before is served again afterwards.
"""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

BODY = """
    LANGUAGE plpgsql AS $$
    DECLARE
        asker uuid;
        served text := current_setting('app.user_id', true);
    BEGIN
        SELECT s.session_data, to_json(s.expire_date) #>> '{}', row_to_json(u)::text, u.id
          INTO content, expires, person, asker
          FROM accounts_session s
          LEFT JOIN accounts_user u ON u.id = s.user_id
         WHERE s.session_key = wanted AND s.expire_date > now();
        IF asker IS NOT NULL THEN
            EXECUTE format('SET LOCAL app.user_id = %L', asker);
            SELECT row_to_json(p)::text INTO profile FROM accounts_profile p WHERE p.user_id = asker;
            EXECUTE format('SET LOCAL app.user_id = %L', coalesce(served, ''));
        END IF;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_enter")]
    operations = [
        InvokerFunction(
            "session_with_profile(wanted text, OUT content text, OUT expires text, OUT person text, OUT profile text)",
            BODY,
        )
    ]
