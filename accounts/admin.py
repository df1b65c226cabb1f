"""People as an operator sees them: who they are and in what state, nothing that is secret or their own."""

from contextlib import suppress
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import AnonymousSession, ApiToken, AuditEvent, DataKey, SystemKey, User
from accounts.people import AccountChanges, change_account, open_account
from accounts.tokens import revoke_token
from wavelength.admin import OperatorModelAdmin

CHANGED_BY_OPERATORS = tuple(AccountChanges.__annotations__)


class NewPersonForm(forms.ModelForm[User]):
    """An account for somebody else; they set a password by resetting it."""

    verified = forms.BooleanField(
        required=False, help_text="The address is known to be theirs: they need not confirm it."
    )

    class Meta:
        model = User
        fields = ("email", "name", "tier", "is_staff")

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.only("pk").filter(email__iexact=email).exists():
            raise ValidationError("An account with this address exists.")
        return email


@admin.register(User)
class UserAdmin(OperatorModelAdmin):
    list_display = ("email", "name", "tier", "is_active", "is_staff", "created_at", "last_login", "deactivated_at")
    list_filter = ("tier", "is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("-created_at",)
    fields = ("id", "email", *CHANGED_BY_OPERATORS, "created_at", "last_login", "deactivated_at")
    readonly_fields = ("id", "email", "created_at", "last_login", "deactivated_at")
    add_fields: ClassVar[tuple[str, ...]] = ("email", "name", "tier", "is_staff", "verified")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewPersonForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else self.add_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Change what an operator may; a new person comes through the one door everybody comes through."""
        if not change:
            made = open_account(
                email=obj.email,
                name=obj.name,
                tier=obj.tier,
                is_staff=obj.is_staff,
                verified=form.cleaned_data["verified"],
                way="admin",
            )
            obj.pk = made.pk
            return
        changes: dict[str, Any] = {name: form.cleaned_data[name] for name in form.changed_data}
        # As wl_app, in one transaction with what it brings and the person's trail; the admin's log is the operator's.
        change_account(user_id=obj.pk, **changes)


class _AboutPerson(OperatorModelAdmin):
    """A read-only page of what belongs to a person, found by their address."""

    search_fields: ClassVar[tuple[str, ...]] = ("user__email",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user").only(*self._readable(), "user__email")

    def _readable(self) -> tuple[str, ...]:
        return self.columns or self.model.operator_columns


@admin.register(DataKey)
class DataKeyAdmin(_AboutPerson):
    list_display = ("user", "ring_key_id", "created_at", "rewrapped_at")
    list_filter = ("ring_key_id",)
    fields = ("id", "user", "ring_key_id", "created_at", "rewrapped_at")


@admin.register(SystemKey)
class SystemKeyAdmin(OperatorModelAdmin):
    list_display = fields = ("purpose", "ring_key_id", "created_at")


@admin.register(AuditEvent)
class AuditEventAdmin(_AboutPerson):
    list_display = ("at", "user", "kind", "details", "actor", "address", "device")
    list_filter = ("actor",)
    search_fields = ("user__email", "kind", "request_id")
    ordering = ("-at",)
    fields = ("id", "user", "kind", "details", "at", "actor", "address", "device", "request_id")


@admin.register(ApiToken)
class ApiTokenAdmin(_AboutPerson):
    list_display = ("hint", "user", "read_only", "created_at", "expires_at", "last_used_at")
    list_filter = ("read_only",)
    search_fields = ("user__email", "hint")
    ordering = ("-created_at",)
    fields = ("id", "user", "hint", "read_only", "created_at", "expires_at", "last_used_at")
    actions = ("revoke",)

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """End them at once, as wl_app; each is told in its person's trail."""
        revoked = 0
        for token in tokens:
            # Its person may have been quicker.
            with suppress(ApiToken.DoesNotExist):
                revoke_token(user_id=token.user_id, token_id=token.pk)
                self.log_change(request, token, "Revoked.")
                revoked += 1
        self.message_user(request, f"{revoked} of the selected tokens are revoked.")


@admin.register(AnonymousSession)
class AnonymousSessionAdmin(OperatorModelAdmin):
    list_display = ("anonymous_id", "created_at", "claimed_by", "claimed_at")
    search_fields = ("anonymous_id", "claimed_by__email")
    ordering = ("-created_at",)
    fields = ("id", "anonymous_id", "created_at", "claimed_by", "claimed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        columns = AnonymousSession.operator_columns
        return super().get_queryset(request).select_related("claimed_by").only(*columns, "claimed_by__email")


@admin.register(EmailAddress)
class EmailAddressAdmin(_AboutPerson):
    columns = ("id", "user", "email", "verified", "primary")
    list_display = ("email", "user", "verified", "primary")
    list_filter = ("verified", "primary")
    search_fields = ("email", "user__email")
    fields = ("user", "email", "verified", "primary")


@admin.register(SocialAccount)
class SocialAccountAdmin(_AboutPerson):
    columns = ("id", "user", "provider", "uid", "last_login", "date_joined")
    list_display = ("user", "provider", "last_login", "date_joined")
    list_filter = ("provider",)
    fields = ("user", "provider", "uid", "last_login", "date_joined")
