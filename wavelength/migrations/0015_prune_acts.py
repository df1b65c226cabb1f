"""`prune_old` also takes what the admin's log says of acts that were as long ago as events of the trail are kept.

The application's role may only read that log now, so that nobody who has it is rid of what administrators did.
"""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("wavelength.migrations.0007_prune_old").PRUNE_OLD
changed = import_module("usage.migrations.0019_closed_days").changed

LAST = """
     'r.expires_at < $1')
"""
ACTS = """
     'r.expires_at < $1'),
    ('acts', 'django_admin_log', interval '90 days',
     'DELETE FROM django_admin_log',
     'r.action_time < $1')
"""


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0014_deadjob"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        DefinerFunction(
            "prune_old(kind text, age interval, page bigint, pages bigint, only_count boolean)",
            changed(BEFORE, LAST, ACTS),
            before=BEFORE,
        ),
    ]
