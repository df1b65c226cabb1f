"""Limits, prices, access and usage, as an operator sees them and may change them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.functional import cached_property

from usage import pricing, quotas
from usage.models import ModelAccess, ModelPrice, Period, QuotaLimit, QuotaWindow, Reservation, UsageRecord
from wavelength.admin import OperatorModelAdmin

COUNTED = 10_000
WINDOWS_SHOWN = timedelta(days=31)


class CountingSoFar(Paginator[Any]):
    """Pages of a table with millions of rows: the first 10,000 rows that match, which a filter narrows down."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin pages nothing else
        return rows.order_by()[:COUNTED].count()


class _AboutPerson(OperatorModelAdmin):
    """A page of what belongs to a person, found by their address."""

    paginator = CountingSoFar
    search_fields: ClassVar[tuple[str, ...]] = ("user__email",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        columns: tuple[str, ...] = self.model.operator_columns
        return super().get_queryset(request).select_related("user").only(*columns, "user__email")


class LimitForm(forms.ModelForm[QuotaLimit]):
    """What an operator allows; nothing means any amount."""

    request_limit = forms.IntegerField(required=False, min_value=0, max_value=quotas.MOST_TOKENS)
    token_limit = forms.IntegerField(required=False, min_value=0, max_value=quotas.MOST_TOKENS)
    cost_limit = forms.DecimalField(
        required=False, min_value=0, max_value=quotas.MOST_COST, decimal_places=12, help_text="US dollars."
    )

    class Meta:
        model = QuotaLimit
        fields = ("request_limit", "token_limit", "cost_limit")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        allowed = [cleaned.get(name) for name in ("request_limit", "token_limit", "cost_limit")]
        if self.instance.provider and not self.errors and allowed == [None, None, None]:
            raise ValidationError("This allows any amount of everything. Use manage.py set_quota --remove instead.")
        return cleaned


class WindowFormSet(forms.BaseInlineFormSet[QuotaWindow, QuotaLimit, forms.ModelForm[QuotaWindow]]):
    @classmethod
    def get_default_prefix(cls) -> str:
        return "windows"  # limits have no name for them


class WindowInline(admin.TabularInline[QuotaWindow, QuotaLimit]):
    """The last month of a limit, to look at."""

    model = QuotaWindow
    formset = WindowFormSet
    fields = readonly_fields = (
        "starts_at", "ends_at", "used_requests", "used_tokens", "used_dollars", "reserved_requests", "reserved_tokens",
        "reserved_dollars",
    )  # fmt: skip
    ordering = ("-ends_at",)
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuotaWindow]:
        recent = super().get_queryset(request).filter(ends_at__gt=Now() - WINDOWS_SHOWN)
        return recent.only(*QuotaWindow.operator_columns)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="Used US dollars")
    def used_dollars(self, window: QuotaWindow) -> str | None:
        return dollars(window.used_cost)

    @admin.display(description="Reserved US dollars")
    def reserved_dollars(self, window: QuotaWindow) -> str | None:
        return dollars(window.reserved_cost)


@admin.register(QuotaLimit)
class QuotaLimitAdmin(_AboutPerson):
    form = LimitForm
    inlines = (WindowInline,)
    list_display = (
        "user", "period", "provider", "model", "set_by", "request_limit", "token_limit", "allowed_dollars",
        "own_token_limit", "own_dollars",
    )  # fmt: skip
    list_filter = ("period", "tier")
    empty_value_display = "any"
    ordering = ("user_id", "period", "provider", "model")
    readonly_fields = (
        "id", "user", "period", "provider", "model", "set_by", "own_token_limit", "own_dollars", "updated_at",
    )  # fmt: skip
    fields = (*readonly_fields[:6], "request_limit", "token_limit", "cost_limit", *readonly_fields[6:])

    def has_change_permission(self, request: HttpRequest, obj: QuotaLimit | None = None) -> bool:
        # The limits of a provider key are their owner's.
        return obj is None or obj.api_key_id is None

    def save_model(self, request: HttpRequest, obj: QuotaLimit, form: Any, change: bool) -> None:
        """Change the limit as everybody does: in order with the person's requests, and with a word in their trail."""
        numbers: dict[str, Any] = {name: form.cleaned_data[name] for name in form.changed_data}
        if numbers:
            quotas.set_quota(
                user_id=obj.user_id, period=Period(obj.period), provider=obj.provider, model=obj.model, **numbers
            )

    @admin.display(description="Set by")
    def set_by(self, limit: QuotaLimit) -> str:
        if limit.api_key_id:
            return f"key {limit.api_key_id}"
        return f"{limit.get_tier_display()} tier" if limit.tier else "an operator or budget"

    @admin.display(description="Cost limit")
    def allowed_dollars(self, limit: QuotaLimit) -> str | None:
        return dollars(limit.cost_limit)

    @admin.display(description="Own cost limit")
    def own_dollars(self, limit: QuotaLimit) -> str | None:
        return dollars(limit.own_cost_limit)


class Lately(admin.SimpleListFilter):
    """When; the last week where nothing is chosen, since nobody reads all of the ledger."""

    title = "time"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Last 24 hours"), ("31", "Last 31 days"), ("all", "All, slowly")]

    def choices(self, changelist: Any) -> Any:
        week, *others = super().choices(changelist)
        yield {**week, "display": "Last 7 days"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        days = self.value() or "7"
        return queryset.filter(hour__gte=Now() - timedelta(days=int(days))) if days.isdigit() else queryset


class OfProvider(admin.SimpleListFilter):
    """The providers known here: to ask the ledger for its own would read all of it."""

    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in settings.PROVIDER_BASE_URLS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(UsageRecord)
class UsageRecordAdmin(_AboutPerson):
    list_display = (
        "hour", "user", "provider", "model", "source", "request_count", "unpriced_requests", "input_tokens",
        "output_tokens", "reasoning_tokens", "cached_tokens", "total_dollars", "computed_dollars",
    )  # fmt: skip
    list_filter = (Lately, OfProvider, "source")
    search_fields = ("user__email", "=model")
    ordering = ("-hour",)
    empty_value_display = "unknown"
    readonly_fields = fields = ("id", *list_display, "created_at", "updated_at")

    @admin.display(description="US dollars", ordering="total_cost")
    def total_dollars(self, record: UsageRecord) -> str | None:
        return dollars(record.total_cost)

    @admin.display(description="Computed US dollars", ordering="computed_cost")
    def computed_dollars(self, record: UsageRecord) -> str | None:
        return dollars(record.computed_cost)


@admin.register(Reservation)
class ReservationAdmin(_AboutPerson):
    list_display = (
        "created_at", "user", "provider", "model", "tokens", "expected_dollars", "state", "expires_at", "closed_at",
    )  # fmt: skip
    list_filter = ("state",)
    ordering = ("-id",)  # ids begin with the time
    readonly_fields = fields = ("id", *list_display)

    @admin.display(description="US dollars")
    def expected_dollars(self, reservation: Reservation) -> str | None:
        return dollars(reservation.cost)


@admin.register(ModelPrice)
class ModelPriceAdmin(OperatorModelAdmin):
    list_display = (
        "provider", "model", "input_price", "output_price", "reasoning_price", "cached_price", "request_price",
        "listed", "updated_at",
    )  # fmt: skip
    list_filter = ("provider",)
    search_fields = ("provider", "model")
    ordering = ("provider", "model")
    readonly_fields = ("listed", "updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    @admin.display(description="Without this price", empty_value="unknown")
    def listed(self, price: ModelPrice) -> str | None:
        """What genai-prices asks for, in US dollars a million tokens."""
        rates = pricing.listed_rates(price.provider, price.model)
        if rates is None:
            return None
        kinds = {"input": rates.input, "output": rates.output, "reasoning": rates.reasoning, "cached": rates.cached}
        named = [f"{kind} {dollars(rate.scaleb(6))}" for kind, rate in kinds.items() if rate is not None]
        return ", ".join(named + [f"request {dollars(rates.request)}"] * bool(rates.request))


@admin.register(ModelAccess)
class ModelAccessAdmin(OperatorModelAdmin):
    list_display = ("provider", "model", "tier", "updated_at")
    list_filter = ("provider", "tier")
    search_fields = ("provider", "model")
    ordering = ("provider", "model")
    fields = ("provider", "model", "tier")
    empty_value_display = "all"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


def dollars(cost: Decimal | None) -> str | None:
    """To the last digit, without the zeros behind it."""
    return None if cost is None else f"{cost.normalize():f}"
