"""The list in every order from an index, deletion that can be taken back, and a search as fast among everybody's rows.

The index of words also holds whose they are, so that a word in everybody's messages is looked up among one's own:
`ARRAY[user_id]`, because a GIN index of a uuid itself needs an extension. Titles stand in it beside the messages.
"""

import importlib

from django.db import migrations, models

from wavelength.tenancy.operations import DefinerFunction, InvokerFunction

BEFORE = importlib.import_module("chats.migrations.0002_search").SEARCH
# The last word also matches its continuations, as in a search that is still being typed.
WORDS = """
    RETURNS tsquery LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN right(words::text, 1) = '''' THEN (words::text || ':*')::tsquery ELSE words END
          FROM websearch_to_tsquery('simple', query) AS words
    $$
"""
# Text search operators are not leakproof: under a policy PostgreSQL would not use their index. So this runs
# as the owner and filters by tenant itself. Words are looked up in the index for chats that are in it, in messages
# and titles themselves for chats that wait for it. EXECUTE, so that each question is planned for its own words.
SEARCH = """
    RETURNS TABLE (chat_id uuid, message_id uuid) LANGUAGE plpgsql STABLE AS $$
    DECLARE
        person uuid := nullif(current_setting('app.user_id', true), '')::uuid;
    BEGIN
        RETURN QUERY EXECUTE $sql$
            WITH found AS (
                SELECT e.chat_id, nullif(e.id, e.chat_id) AS message_id, true AS indexed
                  FROM chats_searchentry e
                 WHERE ARRAY[e.user_id] @> ARRAY[$1] AND e.words @@ $2
                UNION ALL
                SELECT m.chat_id, m.id, false
                  FROM chats_chat c
                  JOIN chats_message m ON m.user_id = c.user_id AND m.chat_id = c.id
                 WHERE c.user_id = $1 AND NOT c.indexed AND to_tsvector('simple', left(m.content, 100000)) @@ $2
                UNION ALL
                SELECT c.id, NULL, false
                  FROM chats_chat c
                 WHERE c.user_id = $1 AND NOT c.indexed AND to_tsvector('simple', c.title) @@ $2
            ), firsts AS (
                SELECT DISTINCT ON (f.chat_id, f.indexed) f.chat_id, f.message_id, f.indexed
                  FROM found f ORDER BY f.chat_id, f.indexed, f.message_id
            )
            SELECT c.id, f.message_id
              FROM firsts f
              JOIN chats_chat c ON c.user_id = $1 AND c.id = f.chat_id AND c.indexed = f.indexed
             WHERE c.deleted_at IS NULL
             ORDER BY c.updated_at DESC, c.id DESC
             LIMIT $3
        $sql$ USING person, search_words(query), how_many;
    END $$
"""
INDEX_TITLES = """
    INSERT INTO chats_searchentry (id, user_id, chat_id, words)
    SELECT id, user_id, id, to_tsvector('simple', title) FROM chats_chat WHERE indexed AND deleted_at IS NULL
"""
OF_MESSAGES_ALONE = "DELETE FROM chats_searchentry WHERE id = chat_id"


class Migration(migrations.Migration):
    dependencies = [("chats", "0002_search")]

    operations = [
        migrations.AddField("chat", "purge_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddIndex(
            "chat",
            models.Index(
                condition=models.Q(("purge_at__isnull", False)), fields=["user", "purge_at"], name="chat_user_purge"
            ),
        ),
        migrations.AddIndex(
            "chat",
            models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["user", "-client_created_at", "-id"],
                name="chat_user_created",
            ),
        ),
        migrations.AddIndex(
            "chat",
            models.Index(
                condition=models.Q(("deleted_at", None)), fields=["user", "-total_cost", "-id"], name="chat_user_cost"
            ),
        ),
        migrations.AddIndex(
            "chat",
            models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["user", "-message_count", "-id"],
                name="chat_user_messages",
            ),
        ),
        migrations.AddIndex(
            "chat",
            models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["user", "-total_tokens", "-id"],
                name="chat_user_tokens",
            ),
        ),
        migrations.AddIndex(
            "chat",
            models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["user", "model", "-updated_at", "-id"],
                name="chat_user_model",
            ),
        ),
        migrations.RunSQL(
            "CREATE INDEX searchentry_persons_words ON chats_searchentry USING gin ((ARRAY[user_id]), words)",
            "DROP INDEX searchentry_persons_words",
        ),
        migrations.RunSQL(
            "DROP INDEX searchentry_words", "CREATE INDEX searchentry_words ON chats_searchentry USING gin (words)"
        ),
        migrations.RunSQL(INDEX_TITLES, OF_MESSAGES_ALONE),
        InvokerFunction("search_words(query text)", WORDS),
        DefinerFunction("search_chats(query text, how_many bigint)", SEARCH, before=BEFORE),
    ]
