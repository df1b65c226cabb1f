"""`prune_old` takes what was kept long enough from the tables of people, whosever it is.

The application's role sees one person's rows at a time, and may delete no audit event at all, so one function goes over a
table as the owner: some pages of it a call, from its beginning to its end, so that no index by time is needed and each
transaction is short. It waits for nobody: rows that somebody has in hand are left for the next time.

It knows the kinds below and for each a `least` age, whatever is asked for: with the application's role alone, nobody can
be rid of a trail that is younger.
"""

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

# Each kind: its table, its least age, what is done, and to which rows ($1 is the moment before which is old).
# - Of hand-overs stay the first one, which says since when the account has chats, and the last one of each set of
#   preferences, so that a repeat of it is known for one. Where the row stays, what it told of chats goes.
# - Of a limit's windows stays the last one, and the last one that was used, which says when a key was.
# - The names of what was counted stay, so that nothing is counted twice; only the answers kept for a repeat go
#   (docs/decisions/names-of-what-was-counted-are-kept.md).
KINDS = """
    ('events', 'accounts_auditevent', interval '90 days',
     'DELETE FROM accounts_auditevent',
     'r.at < $1'),
    ('reservations', 'usage_reservation', interval '7 days',
     'DELETE FROM usage_reservation',
     'r.state <> ''open'' AND r.closed_at < $1'),
    ('windows', 'usage_quotawindow', interval '70 days',
     'DELETE FROM usage_quotawindow',
     'r.ends_at < $1 AND r.reserved_requests = 0
      AND EXISTS (SELECT FROM usage_quotawindow o
                   WHERE o.user_id = r.user_id AND o.limit_id = r.limit_id AND o.ends_at > r.ends_at
                     AND (o.used_requests > 0 OR r.used_requests = 0))'),
    ('answers', 'usage_idempotentrequest', interval '1 day',
     'UPDATE usage_idempotentrequest SET answer = NULL, digest = ''forgotten''',
     'r.scope = ''request'' AND r.answer IS NOT NULL AND r.created_at < $1'),
    ('dismissals', 'usage_advicedismissal', interval '0',
     'DELETE FROM usage_advicedismissal',
     'r.until < $1'),
    ('handovers', 'chats_handover', interval '1 day',
     'DELETE FROM chats_handover',
     'r.moved_at < $1
      AND (r.preferences IS NULL
           OR EXISTS (SELECT FROM chats_handover o
                       WHERE o.user_id = r.user_id AND (o.started_at, o.id) > (r.started_at, r.id)
                         AND o.preferences = r.preferences))
      AND (r.source = ''sync'' OR r.finished_at IS NULL
           OR EXISTS (SELECT FROM chats_handover o
                       WHERE o.user_id = r.user_id AND o.source <> ''sync''
                         AND (o.finished_at, o.id) < (r.finished_at, r.id)))'),
    ('reports', 'chats_handover', interval '1 day',
     'UPDATE chats_handover SET errors = ''[]'', warnings = ''[]'', deleted_keys = ''[]''',
     'r.moved_at < $1 AND (r.errors <> ''[]'' OR r.warnings <> ''[]'' OR r.deleted_keys <> ''[]'')'),
    ('links', 'chats_sharedlink', interval '0',
     'DELETE FROM chats_sharedlink',
     'r.expires_at < $1')
"""
# Answers how many rows were taken, or would be where they are only counted, and the page with which to go on, null at the end.
PRUNE_OLD = f"""
    RETURNS TABLE (taken bigint, next_page bigint) LANGUAGE plpgsql AS $$
    DECLARE
        chosen record;
        olds text;
    BEGIN
        SELECT k.* INTO chosen FROM (VALUES {KINDS}) AS k (name, relation, least, deed, old) WHERE k.name = kind;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Nothing of the kind % is pruned.', kind USING ERRCODE = 'invalid_parameter_value';
        END IF;
        olds := format('SELECT r.ctid FROM %I r WHERE r.ctid >= %L AND r.ctid < %L AND (%s)', chosen.relation,
                       format('(%s,0)', page), format('(%s,0)', page + pages), chosen.old);
        IF only_count THEN
            EXECUTE 'SELECT count(*) FROM (' || olds || ') AS old' INTO taken
              USING now() - greatest(age, chosen.least);
        ELSE
            EXECUTE chosen.deed || ' WHERE ctid = ANY (ARRAY(' || olds || ' FOR UPDATE SKIP LOCKED))'
              USING now() - greatest(age, chosen.least);
            GET DIAGNOSTICS taken = ROW_COUNT;
        END IF;
        IF (page + pages) * current_setting('block_size')::bigint < pg_relation_size(chosen.relation::regclass) THEN
            next_page := page + pages;
        END IF;
        RETURN NEXT;
    END $$
"""  # noqa: S608  (constants of ours)


class Migration(migrations.Migration):
    dependencies = [
        ("wavelength", "0006_due_archives"),
        ("accounts", "0009_dataarchive"),
        ("usage", "0017_live"),
        ("apikeys", "0004_deleted_keys"),
        ("chats", "0005_handover_progress"),
    ]

    operations = [
        DefinerFunction("prune_old(kind text, age interval, page bigint, pages bigint, only_count boolean)", PRUNE_OLD),
    ]
