"""Provider keys as an operator may see them: whose and in what state, never what they are."""

from django.contrib import admin

from apikeys.models import ApiKey
from wavelength.admin import OperatorModelAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(OperatorModelAdmin):
    list_display = ("id", "user_id", "provider", "is_active", "is_valid", "last_used", "last_validated", "created_at")
    list_filter = ("provider", "is_active", "is_valid")
    fields = ("id", "user_id", "provider", "is_active", "is_valid", "last_used", "last_validated", "created_at")
    readonly_fields = fields
    ordering = ("-created_at",)
