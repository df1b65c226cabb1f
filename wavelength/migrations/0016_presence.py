"""Who only reads counts among active people: `collect_metrics` also counts those of whom a day says that they were here.

`prune_old` takes these days once they were counted.
"""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction, changed

COLLECT_BEFORE = import_module("wavelength.migrations.0008_systemmetric").COLLECT
pruning = import_module("wavelength.migrations.0015_prune_acts")
PRUNE_BEFORE = changed(pruning.BEFORE, pruning.LAST, pruning.ACTS)

COLLECT = changed(
    COLLECT_BEFORE,
    """
                        SELECT r.user_id, r.hour FROM usage_usagerecord r WHERE r.source <> 'migration') AS acts (user_id, at)
""",
    """
                        SELECT r.user_id, r.hour FROM usage_usagerecord r WHERE r.source <> 'migration'
                         UNION ALL
                        SELECT p.user_id, p.day::timestamp AT TIME ZONE 'UTC' FROM accounts_presence p) AS acts (user_id, at)
""",
)
# As long as a month and the days that a worker may be behind.
PRUNE = changed(
    PRUNE_BEFORE,
    """
     'r.action_time < $1')
""",
    """
     'r.action_time < $1'),
    ('presences', 'accounts_presence', interval '35 days',
     'DELETE FROM accounts_presence',
     'r.day < $1')
""",
)


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0015_prune_acts"), ("accounts", "0011_presence")]

    operations = [
        DefinerFunction(
            "collect_metrics(part text, since timestamptz, until timestamptz)", COLLECT, before=COLLECT_BEFORE
        ),
        DefinerFunction(
            "prune_old(kind text, age interval, page bigint, pages bigint, only_count boolean)",
            PRUNE,
            before=PRUNE_BEFORE,
        ),
    ]
