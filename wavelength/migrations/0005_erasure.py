"""`erase_person` takes everything of a person from every table, and `due` hands out whose time for it has come.

The application's role may delete neither audit events nor the ledger, so one function does, as the owner. It takes
nobody whose erasure has not begun (accounts/erasure.py) or whose data key is still there. It answers the name of the
person's picture, empty without one, and NULL when it took nobody. What stays is a count that names nobody.
"""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("wavelength.migrations.0004_due_chats").DUE
END = """
    $$
"""
ERASURE = """
        UNION ALL
        (SELECT user_id
           FROM accounts_erasurerequest
          WHERE kind = 'erasure' AND happens_at <= now() AND user_id > after
          ORDER BY user_id
          LIMIT how_many)"""
DUE = BEFORE.removesuffix(END) + ERASURE + END
# Tables of people go with the person's row; packages' tables and what only mentions the person are named here.
ERASE_PERSON = """
    RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        wanted text;
        login text;
        picture text;
    BEGIN
        PERFORM usage_lock(person);
        SELECT r.way INTO wanted
          FROM accounts_erasurerequest r
         WHERE r.user_id = person AND r.begun_at IS NOT NULL AND r.happens_at <= statement_timestamp()
           FOR UPDATE;
        IF NOT FOUND OR EXISTS (SELECT FROM accounts_datakey d WHERE d.user_id = person) THEN
            RETURN NULL;
        END IF;
        SELECT lower(u.email) INTO login FROM accounts_user u WHERE u.id = person FOR UPDATE;
        SELECT p.avatar INTO picture FROM accounts_profile p WHERE p.user_id = person FOR UPDATE;
        INSERT INTO accounts_erasurerecord (id, way, counts)
        VALUES (gen_random_uuid(), wanted, jsonb_build_object(
            'chats', (SELECT count(*) FROM chats_chat c WHERE c.user_id = person),
            'messages', (SELECT count(*) FROM chats_message m WHERE m.user_id = person),
            'keys', (SELECT count(*) FROM apikeys_apikey k WHERE k.user_id = person),
            'usage', (SELECT count(*) FROM usage_usagerecord r WHERE r.user_id = person),
            'events', (SELECT count(*) FROM accounts_auditevent e WHERE e.user_id = person)));

        DELETE FROM account_emailconfirmation c USING account_emailaddress a
         WHERE c.email_address_id = a.id AND a.user_id = person;
        DELETE FROM account_emailaddress a WHERE a.user_id = person;
        DELETE FROM socialaccount_socialtoken t USING socialaccount_socialaccount s
         WHERE t.account_id = s.id AND s.user_id = person;
        DELETE FROM socialaccount_socialaccount s WHERE s.user_id = person;
        DELETE FROM mfa_authenticator a WHERE a.user_id = person;
        DELETE FROM usersessions_usersession s WHERE s.user_id = person;
        -- Also of browsers that had begun to sign in, to confirm an address or to set a new password.
        DELETE FROM accounts_session s
         WHERE s.user_id = person OR strpos(s.session_data, person::text) > 0
            OR strpos(lower(s.session_data), '"' || login || '"') > 0;
        DELETE FROM usage_anonymousday d USING accounts_anonymoussession s
         WHERE s.claimed_by_id = person AND d.scope = 'session' AND d.name = s.anonymous_id;
        DELETE FROM accounts_anonymoussession s WHERE s.claimed_by_id = person;
        DELETE FROM django_admin_log l WHERE l.user_id = person OR l.object_id = person::text;
        -- One that runs at this moment ends by itself, and is forgotten with the other jobs that are done.
        DELETE FROM procrastinate_jobs j WHERE strpos(j.args::text, person::text) > 0 AND j.status <> 'doing';
        DELETE FROM accounts_user u WHERE u.id = person;
        RETURN coalesce(picture, '');
    END
    $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wavelength", "0004_due_chats"),
        ("accounts", "0008_erasure"),
        ("usage", "0017_live"),
        ("apikeys", "0004_deleted_keys"),
        ("chats", "0005_handover_progress"),
    ]

    operations = [
        DefinerFunction("erase_person(person uuid)", ERASE_PERSON),
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
