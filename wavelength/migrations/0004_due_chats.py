"""`due` also hands out whose deleted chats can no longer be had back, so that what they held goes for good."""

from importlib import import_module

from django.db import migrations

from wavelength.tenancy.operations import DefinerFunction

BEFORE = import_module("wavelength.migrations.0003_due_usage").DUE
END = """
    $$
"""
DELETED_CHATS = """
        UNION ALL
        (SELECT DISTINCT user_id
           FROM chats_chat
          WHERE kind = 'deleted_chats' AND purge_at <= now() AND user_id > after
          ORDER BY user_id
          LIMIT how_many)"""
DUE = BEFORE.removesuffix(END) + DELETED_CHATS + END


class Migration(migrations.Migration):
    dependencies = [("wavelength", "0003_due_usage"), ("chats", "0003_listing")]

    operations = [
        DefinerFunction("due(kind text, how_many bigint, after uuid, detail text)", DUE, before=BEFORE),
    ]
