"""`enter`: serve the person of a session for the rest of the transaction, in the same round trip as the question.

Answers the person, or NULL when nobody stands behind the session: unknown, expired, switched off, or signed in
with another password or under another SECRET_KEY (`stamp`). A function that enters calls it first, answers NULL
when it does, and is asked through `ask_as_session` (accounts/sessions.py). It runs with its caller's rights.
"""

from django.db import migrations, models

from wavelength.tenancy.operations import InvokerFunction

ENTER = """
    RETURNS accounts_user LANGUAGE plpgsql AS $$
    DECLARE
        person accounts_user;
    BEGIN
        SELECT u.* INTO person
          FROM accounts_session s
          JOIN accounts_user u ON u.id = s.user_id
         WHERE s.session_key = wanted AND s.expire_date > now() AND u.is_active
           AND s.auth_hash = encode(sha256(convert_to(stamp || u.password, 'UTF8')), 'hex');
        IF FOUND THEN
            EXECUTE format('SET LOCAL app.user_id = %L', person.id);
        END IF;
        RETURN person;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_session_of")]
    operations = [
        migrations.AddField("session", "auth_hash", models.CharField(blank=True, default="", max_length=64)),
        InvokerFunction("enter(wanted text, stamp text)", ENTER),
    ]
