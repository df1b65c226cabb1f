"""Who made each event of the audit trail happen, and from where; and the one door through which it grows for a stranger.

The new columns are null in older events. The index also carries the id, so that a page of the trail begins where the last
one ended. `record_failed_signin` finds an address's owner by itself and answers nothing, so that it tells nobody whether
there is one; it knows one kind of event and cannot be made to write another.
"""

from django.db import migrations, models

from wavelength.tenancy.operations import DefinerFunction

RECORD_FAILED_SIGNIN = """
    RETURNS void LANGUAGE sql AS $$
        INSERT INTO accounts_auditevent (id, user_id, kind, details, actor, address, device, request_id)
        SELECT event, u.id, 'session.failed', jsonb_build_object('way', left(way, 16)), 'stranger', address,
               left(device, 64), left(request_id, 64)
          FROM accounts_user u
         WHERE lower(u.email) = lower(login)
    $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_session_with_profile"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="auditevent",
            name="auditevent_user_at",
        ),
        migrations.AddField(
            model_name="auditevent",
            name="actor",
            field=models.CharField(
                choices=[
                    ("owner", "The person"),
                    ("operator", "An administrator"),
                    ("stranger", "Somebody not signed in as them"),
                    ("system", "Wavelength itself"),
                ],
                max_length=16,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="address",
            field=models.GenericIPAddressField(null=True),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="device",
            field=models.CharField(max_length=64, null=True),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="request_id",
            field=models.CharField(max_length=64, null=True),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["user", "-at", "-id"], name="auditevent_user_at_id"),
        ),
        DefinerFunction(
            "record_failed_signin(event uuid, login text, way text, address inet, device text, request_id text)",
            RECORD_FAILED_SIGNIN,
        ),
    ]
