"""Tokens of a person's scripts, and what finds whose one is.

`enter` serves the person of a token too: it is given the token's hash and the stamp `token`, which no session's stamp
is, so that a hash shown as a session's key opens nothing. Sessions are looked for first, at the cost they had.
"""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

import wavelength.ids
from wavelength.tenancy.operations import DefinerFunction, InvokerFunction, IsolateTenant, changed

# Whoever shows a token is nobody yet, so a policy would hide it. Of one that is unknown, ended or revoked, or whose
# person is switched off, nothing is told.
OWNER = """
    RETURNS TABLE (user_id uuid, token_id uuid, read_only boolean) LANGUAGE sql STABLE AS $$
        SELECT t.user_id, t.id, t.read_only
          FROM accounts_apitoken t
          JOIN accounts_user u ON u.id = t.user_id
         WHERE t.token_hash = hash_asked AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.is_active
    $$
"""
PERSON = """
    LANGUAGE plpgsql STABLE AS $$
    BEGIN
        SELECT row_to_json(u)::text INTO person
          FROM token_owner(decode(wanted, 'hex')) t
          JOIN accounts_user u ON u.id = t.user_id;
    END $$
"""
# A transaction of its own, so that no call holds the row while it works.
USE = """
    LANGUAGE plpgsql AS $$
    BEGIN
        SELECT t.token_id, t.user_id, t.read_only INTO token, person, reading
          FROM token_owner(decode(wanted, 'hex')) t;
        IF FOUND THEN
            EXECUTE format('SET LOCAL app.user_id = %L', person);
            UPDATE accounts_apitoken t
               SET last_used_at = now()
             WHERE t.user_id = person::uuid AND t.id = token::uuid
               AND (t.last_used_at IS NULL OR t.last_used_at <= now() - interval '1 minute');
        END IF;
    END $$
"""
BEFORE = import_module("accounts.migrations.0004_enter").ENTER
ENTER = changed(
    BEFORE,
    """
        IF FOUND THEN""",
    """
        IF NOT FOUND AND stamp = 'token' THEN
            SELECT u.* INTO person
              FROM token_owner(decode(wanted, 'hex')) t
              JOIN accounts_user u ON u.id = t.user_id;
        END IF;
        IF FOUND THEN""",
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_presence"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=80)),
                ("token_hash", models.BinaryField()),
                ("hint", models.CharField(max_length=8)),
                ("read_only", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("expires_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "indexes": [models.Index(fields=["user", "-created_at", "-id"], name="apitoken_user_newest")],
                "constraints": [models.UniqueConstraint(fields=("token_hash", "user"), name="apitoken_hash_unique")],
            },
        ),
        IsolateTenant("ApiToken", operator=True),
        DefinerFunction("token_owner(hash_asked bytea)", OWNER),
        InvokerFunction("person_of_token(wanted text, OUT person text)", PERSON),
        InvokerFunction("use_token(wanted text, OUT token text, OUT person text, OUT reading text)", USE),
        InvokerFunction("enter(wanted text, stamp text)", ENTER, before=BEFORE),
    ]
