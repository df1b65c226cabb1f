"""`account_of_session` finds when a key was last used with the key."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction, changed

BEFORE = import_module("wavelength.migrations.0002_account_of_session").ACCOUNT

ACCOUNT = changed(
    changed(
        BEFORE,
        """to_char(greatest(k.last_used, (
                                   SELECT w.updated_at FROM usage_quotawindow w
                                    WHERE w.user_id = person.id AND w.limit_id = l.id AND w.used_requests > 0
                                    ORDER BY w.ends_at DESC LIMIT 1)) AT TIME ZONE""",
        "to_char(k.last_used AT TIME ZONE",
    ),
    """
                      LEFT JOIN usage_quotalimit l
                             ON l.user_id = person.id AND l.period = 'monthly' AND l.provider = '' AND l.model = ''
                            AND l.api_key_id = k.id""",
    "",
)


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0010_shared"), ("apikeys", "0006_last_used")]

    operations = [
        InvokerFunction("account_of_session(wanted text, stamp text, media text)", ACCOUNT, before=BEFORE),
    ]
