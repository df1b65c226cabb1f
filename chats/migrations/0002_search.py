"""Search behind one definer function."""

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

# Text search operators are not leakproof: under a policy PostgreSQL would not use their index. So this runs
# as the owner and filters by tenant itself. Words are looked up in the index for chats that are in it, in the
# messages themselves for chats that wait for it, and always in titles.
# The last word also matches its continuations, as in a search that is still being typed.
SEARCH = """
    RETURNS TABLE (chat_id uuid, message_id uuid) LANGUAGE sql STABLE AS $$
        WITH typed AS (
            SELECT websearch_to_tsquery('simple', query) AS words
        ), asked AS MATERIALIZED (
            SELECT nullif(current_setting('app.user_id', true), '')::uuid AS person,
                   CASE WHEN right(words::text, 1) = '''' THEN (words::text || ':*')::tsquery ELSE words END AS words
              FROM typed
        ), found AS (
            SELECT e.chat_id, e.id AS message_id
              FROM asked JOIN chats_searchentry e ON e.user_id = asked.person AND e.words @@ asked.words
              JOIN chats_chat c ON c.user_id = e.user_id AND c.id = e.chat_id AND c.indexed
            UNION ALL
            SELECT m.chat_id, m.id
              FROM asked JOIN chats_chat c ON c.user_id = asked.person AND NOT c.indexed
              JOIN chats_message m ON m.user_id = c.user_id AND m.chat_id = c.id
             WHERE to_tsvector('simple', left(m.content, 100000)) @@ asked.words
            UNION ALL
            SELECT c.id, NULL
              FROM asked JOIN chats_chat c ON c.user_id = asked.person
             WHERE to_tsvector('simple', c.title) @@ asked.words
        )
        SELECT c.id, (array_agg(found.message_id ORDER BY found.message_id))[1]
          FROM asked JOIN chats_chat c ON c.user_id = asked.person AND c.deleted_at IS NULL
          JOIN found ON found.chat_id = c.id
         GROUP BY c.id
         ORDER BY c.updated_at DESC, c.id DESC
         LIMIT how_many
    $$
"""


class Migration(migrations.Migration):
    dependencies = [("chats", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX searchentry_words ON chats_searchentry USING gin (words)",
            "DROP INDEX searchentry_words",
        ),
        DefinerFunction("search_chats(query text, how_many bigint)", SEARCH),
    ]
