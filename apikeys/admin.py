"""Provider keys as an operator may see them: whose and in what state, never what they are."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime

from apikeys.models import ApiKey
from wavelength.admin import OperatorModelAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(OperatorModelAdmin):
    list_display = ("id", "user_id", "provider", "is_active", "is_valid", "last_use", "last_validated", "created_at")
    list_filter = ("provider", "is_active", "is_valid")
    fields = ("id", "user_id", "provider", "is_active", "is_valid", "last_use", "last_validated", "created_at")
    readonly_fields = fields
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).with_use()  # type: ignore[attr-defined, no-any-return]

    @admin.display(description="last used", ordering="last_used_at")
    def last_use(self, key: ApiKey) -> str | None:
        """By the server itself, or by whoever recorded a request through it."""
        moment = key.last_used_at
        return date_format(localtime(moment), "DATETIME_FORMAT") if moment else None
