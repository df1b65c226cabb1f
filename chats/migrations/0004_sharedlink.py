"""Links that show one chat to whoever has them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

import wavelength.ids
from wavelength.tenancy.operations import DefinerFunction, IsolateTenant

# Whoever opens a link is nobody, so a policy would hide it. Who has the token may know whose it is: the page is read
# as theirs. Nothing else is told, and of a link that opens nothing, nothing.
SHARED = """
    RETURNS TABLE (user_id uuid, chat_id uuid) LANGUAGE sql STABLE AS $$
        SELECT l.user_id, l.chat_id
          FROM chats_sharedlink l
          JOIN chats_chat c ON c.user_id = l.user_id AND c.id = l.chat_id
          JOIN accounts_user u ON u.id = l.user_id
         WHERE l.token_hash = token_hash_asked AND l.expires_at > now() AND c.deleted_at IS NULL AND u.is_active
    $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chats", "0003_listing"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SharedLink",
            fields=[
                (
                    "id",
                    models.UUIDField(default=wavelength.ids.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                ("token_hash", models.BinaryField()),
                ("ending", models.CharField(max_length=8)),
                ("with_reasoning", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("expires_at", models.DateTimeField()),
                (
                    "chat",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="chats.chat",
                    ),
                ),
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
                "indexes": [models.Index(fields=["user", "chat"], name="sharedlink_chat")],
                "constraints": [models.UniqueConstraint(fields=("token_hash", "user"), name="sharedlink_token_unique")],
            },
        ),
        IsolateTenant("SharedLink", parents={"chat": "Chat"}),
        DefinerFunction("shared_chat(token_hash_asked bytea)", SHARED),
    ]
