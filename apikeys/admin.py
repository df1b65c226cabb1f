"""Provider keys as an operator may see them: whose and in what state, never what they are.

The operator's database role has no right to any other column, so those are not even asked for.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apikeys.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    list_display = ("id", "user_id", "provider", "is_active", "is_valid", "last_used", "last_validated", "created_at")
    list_filter = ("provider", "is_active", "is_valid")
    fields = ("id", "user_id", "provider", "is_active", "is_valid", "last_used", "last_validated", "created_at")
    readonly_fields = fields
    ordering = ("-created_at",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        columns = (name for name in ApiKey.operator_columns if name != "user_id")
        return super().get_queryset(request).only(*columns, "user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
