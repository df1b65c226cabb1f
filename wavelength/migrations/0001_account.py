"""`account_of`: what GET /api/profile answers, put together where the rows are.

In PL/pgSQL, which keeps its plan for the session; a statement sent together with SET LOCAL would be planned
each time. It runs with its caller's rights, under the policies. Whoever changes a column of these tables
replaces it in a migration.
"""

from django.db import migrations

CREATE = """
    CREATE FUNCTION account_of(person uuid, media text, OUT avatar text, OUT profile text, OUT keys text, OUT stats text)
    LANGUAGE plpgsql STABLE AS $$
    #variable_conflict use_column
    BEGIN
        SELECT p.avatar,
               json_build_object(
                   'id', p.id, 'userId', p.user_id, 'displayName', nullif(p.display_name, ''),
                   'avatarUrl', media || nullif(p.avatar, ''), 'bio', nullif(p.bio, ''),
                   'timezone', nullif(p.timezone, ''), 'language', nullif(p.language, ''), 'theme', p.theme,
                   'preferences', p.preferences, 'features', p.features,
                   'createdAt', to_char(p.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                   'updatedAt', to_char(p.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
               (SELECT coalesce(json_agg(json_build_object(
                           'id', k.id, 'provider', k.provider, 'keyName', k.key_name, 'isActive', k.is_active,
                           'lastUsed', to_char(k.last_used AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                           'isValid', k.is_valid, 'validationError', k.validation_error)
                       ORDER BY k.created_at DESC, k.id DESC), '[]')
                  FROM apikeys_apikey k
                 WHERE k.user_id = person),
               (SELECT json_build_object('totalChats', count(*), 'totalMessages', coalesce(sum(c.message_count), 0))
                  FROM chats_chat c
                 WHERE c.user_id = person AND c.deleted_at IS NULL)
          INTO avatar, profile, keys, stats
          FROM accounts_profile p
         WHERE p.user_id = person;
    END $$;
    REVOKE ALL ON FUNCTION account_of(uuid, text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION account_of(uuid, text) TO wl_app;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("accounts", "0001_initial"), ("apikeys", "0001_initial"), ("chats", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION account_of(uuid, text)")]
