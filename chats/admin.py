"""Hand-overs as an operator sees them: how far they came, never what they brought."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chats.models import Handover
from wavelength.admin import OperatorModelAdmin


@admin.register(Handover)
class HandoverAdmin(OperatorModelAdmin):
    list_display = (
        "started_at", "user", "source", "received_chats", "done_chats", "migrated_chats", "migrated_messages",
        "migrated_keys", "skipped_chats", "error_count", "finished_at",
    )  # fmt: skip
    list_filter = ("source",)
    search_fields = ("user__email",)
    ordering = ("-started_at",)
    fields = (
        "id", "user", "source", "payload_bytes", "received_chats", "received_messages", "done_chats", "migrated_chats",
        "migrated_messages", "migrated_keys", "skipped_chats", "error_count", "started_at", "finished_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user").only(*Handover.operator_columns, "user__email")
