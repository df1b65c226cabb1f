"""`account_of_session`: what GET /api/profile answers, put together where the rows are.

It enters by itself (accounts/migrations/0004_enter.py), so that who is asking and the answer are one round trip, and
runs with its caller's rights, under the policies. In PL/pgSQL, which keeps its plans for the connection. When a key
was last used, metering knows too. Whoever changes a column of these tables replaces it in a migration.
"""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

BEFORE = import_module("wavelength.migrations.0001_account").CREATE

ACCOUNT = """
    RETURNS json LANGUAGE plpgsql AS $$
    DECLARE
        utc CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
        person accounts_user := enter(wanted, stamp);
    BEGIN
        RETURN (
            SELECT json_build_object(
                'user', json_build_object(
                    'id', person.id, 'name', nullif(person.name, ''), 'email', person.email,
                    'image', media || nullif(p.avatar, ''), 'tier', person.tier,
                    'createdAt', to_char(person.created_at AT TIME ZONE 'UTC', utc),
                    'lastLoginAt', to_char(person.last_login AT TIME ZONE 'UTC', utc)),
                'profile', json_build_object(
                    'id', p.id, 'userId', p.user_id, 'displayName', nullif(p.display_name, ''),
                    'avatarUrl', media || nullif(p.avatar, ''), 'bio', nullif(p.bio, ''),
                    'timezone', nullif(p.timezone, ''), 'language', nullif(p.language, ''), 'theme', p.theme,
                    'preferences', p.preferences, 'features', p.features,
                    'createdAt', to_char(p.created_at AT TIME ZONE 'UTC', utc),
                    'updatedAt', to_char(p.updated_at AT TIME ZONE 'UTC', utc)),
                'apiKeys', (
                    SELECT coalesce(json_agg(json_build_object(
                               'id', k.id, 'provider', k.provider, 'keyName', k.key_name, 'isActive', k.is_active,
                               'lastUsed', to_char(greatest(k.last_used, (
                                   SELECT w.updated_at FROM usage_quotawindow w
                                    WHERE w.user_id = person.id AND w.limit_id = l.id AND w.used_requests > 0
                                    ORDER BY w.ends_at DESC LIMIT 1)) AT TIME ZONE 'UTC', utc),
                               'isValid', k.is_valid, 'validationError', k.validation_error)
                           ORDER BY k.created_at DESC, k.id DESC), '[]')
                      FROM apikeys_apikey k
                      LEFT JOIN usage_quotalimit l
                             ON l.user_id = person.id AND l.period = 'monthly' AND l.provider = '' AND l.model = ''
                            AND l.api_key_id = k.id
                     WHERE k.user_id = person.id),
                'stats', (
                    SELECT json_build_object(
                               'totalChats', count(*), 'totalMessages', coalesce(sum(c.message_count), 0))
                      FROM chats_chat c
                     WHERE c.user_id = person.id AND c.deleted_at IS NULL))
              FROM accounts_profile p
             WHERE p.user_id = person.id);
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wavelength", "0001_account"), ("accounts", "0004_enter"), ("apikeys", "0003_limits"),
    ]  # fmt: skip
    operations = [
        InvokerFunction("account_of_session(wanted text, stamp text, media text)", ACCOUNT),
        migrations.RunSQL("DROP FUNCTION account_of(uuid, text)", BEFORE),
    ]
