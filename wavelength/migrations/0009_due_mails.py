"""`due` also hands out who is to be written to: about limits nearly or wholly used up, and about keys that fail."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("wavelength.migrations.0006_due_archives").DUE
END = """
    $$
"""
# A limit's last window is one look-up, as for `windows`. With the detail `recent` it is looked up only for those whose
# usage moved in the last two hours, which the ledger's BRIN index finds. What counts as used up is what
# usage/quota_mails.py claims; `notice` is what was told of this very window.
MAILS = """
        UNION ALL
        (SELECT DISTINCT l.user_id
           FROM usage_quotalimit l
           JOIN accounts_profile p ON p.user_id = l.user_id AND 'quota' = ANY (p.wanted_mails)
           JOIN accounts_user u ON u.id = l.user_id AND u.is_active
          CROSS JOIN LATERAL (SELECT q.*
                                FROM usage_quotawindow q
                               WHERE q.user_id = l.user_id AND q.limit_id = l.id
                               ORDER BY q.ends_at DESC
                               LIMIT 1) AS w
           LEFT JOIN usage_quotanotice notice
                  ON notice.user_id = l.user_id AND notice.limit_id = l.id AND notice.ends_at >= w.ends_at
          CROSS JOIN LATERAL (SELECT CASE WHEN notice.level IS NULL THEN 0.8 ELSE 1 END AS share) AS told
          WHERE kind = 'quota_mails' AND l.user_id > after AND l.api_key_id IS NULL
            AND (detail <> 'recent'
                 OR l.user_id IN (SELECT r.user_id FROM usage_usagerecord r WHERE r.hour > now() - interval '2 hours'))
            AND w.starts_at <= now() AND w.ends_at > now()
            AND coalesce(notice.level, 0) < 100
            AND (w.used_requests > 0 AND w.used_requests >= told.share * l.request_limit
                 OR w.used_tokens > 0 AND w.used_tokens >= told.share * least(l.token_limit, l.own_token_limit)
                 OR w.used_cost > 0 AND w.used_cost >= told.share * least(l.cost_limit, l.own_cost_limit))
          ORDER BY l.user_id
          LIMIT how_many)
        UNION ALL
        (SELECT DISTINCT k.user_id
           FROM apikeys_apikey k
           JOIN accounts_profile p ON p.user_id = k.user_id AND 'key' = ANY (p.wanted_mails)
           JOIN accounts_user u ON u.id = k.user_id AND u.is_active
          WHERE kind = 'key_mails' AND k.user_id > after
            AND k.is_active AND NOT k.is_valid AND k.failure_told_at IS NULL
          ORDER BY k.user_id
          LIMIT how_many)"""
DUE = BEFORE.removesuffix(END) + MAILS + END


class Migration(migrations.Migration):
    dependencies = [
        ("wavelength", "0008_systemmetric"),
        ("usage", "0018_quotanotice"),
        ("apikeys", "0005_failure_told"),
    ]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
