"""A provider key as it is stored: sealed, with what a person needs to know it by."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from apikeys.providers import Provider, provider_named
from apikeys.wording import flag_counsel, flag_sentence, in_words
from usage.models import Period, QuotaWindow
from wavelength.envelope import Binding, origin_of
from wavelength.tenancy.models import TenantModel

DEFAULT_NAME = "Default"
NAME_LENGTH = 100
URL_LENGTH = 500
LIMIT_MAX = 2**31 - 1


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def newest_first(self) -> "ApiKeyQuerySet":
        return self.order_by("-created_at", "-id")

    def with_use(self) -> "ApiKeyQuerySet":
        """Each with the requests through it in its owner's day and month, and when those end."""
        return self.annotate(**_use())


def _use() -> dict[str, Any]:
    today, month = _windows(Period.DAILY), _windows(Period.MONTHLY)
    now = {"starts_at__lte": Now(), "ends_at__gt": Now()}
    return {
        "used_today": Coalesce(Subquery(today.filter(**now).values("used_requests")), 0),
        "used_this_month": Coalesce(Subquery(month.filter(**now).values("used_requests")), 0),
        "day_ends": Subquery(today.filter(**now).values("ends_at")),
        "month_ends": Subquery(month.filter(**now).values("ends_at")),
    }


def _windows(period: Period) -> QuerySet[QuotaWindow]:
    """The windows that count the requests through the key of the query around this one."""
    return QuotaWindow.objects.filter(
        user_id=OuterRef("user_id"),
        limit__user_id=OuterRef("user_id"),
        limit__api_key_id=OuterRef("id"),
        limit__period=period,
    )


class ApiKey(TenantModel):
    """One secret of one person at one provider.

    `is_valid` is what the provider last said, None until it was asked. `base_url` is empty for the
    provider's own address. Limits are requests a day and a month in the owner's time zone; usage/keys.py keeps
    them as quotas, in which the requests are counted. `last_used` is when the server itself took the key out or,
    to the minute, when a request through it was counted (migration 0006), and `failure_told_at` when its owner was
    written to that it fails, null again once it works.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "provider", "is_active", "last_used", "last_validated", "is_valid", "created_at", "updated_at",
    )  # fmt: skip

    provider = models.CharField(max_length=16)
    key_name = models.CharField(max_length=NAME_LENGTH)
    envelope = models.BinaryField()
    fingerprint = models.BinaryField()
    hint = models.CharField(max_length=4, null=True)
    base_url = models.CharField(max_length=URL_LENGTH, blank=True)
    is_active = models.BooleanField(default=True)
    daily_limit = models.IntegerField(null=True)
    monthly_limit = models.IntegerField(null=True)
    last_used = models.DateTimeField(null=True)
    last_validated = models.DateTimeField(null=True)
    is_valid = models.BooleanField(null=True)
    validation_error = models.CharField(max_length=300, null=True)
    failure_told_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ApiKeyQuerySet.as_manager()

    # Of `with_use` alone.
    used_today: int
    used_this_month: int
    day_ends: datetime | None
    month_ends: datetime | None

    class Meta:
        verbose_name = "provider key"
        # Nearly empty: whoever has to be told.
        indexes = [
            models.Index(
                fields=["user"],
                condition=models.Q(is_active=True, is_valid=False, failure_told_at=None),
                name="apikey_failure_untold",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "id"], name="apikey_user_id"),
            models.UniqueConstraint(fields=["user", "provider", "key_name"], name="apikey_name_unique"),
            models.UniqueConstraint(fields=["user", "fingerprint"], name="apikey_secret_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_info.label} ({self.pk})"

    @property
    def provider_info(self) -> Provider:
        """What is known of the provider: its label, where its keys are made."""
        return provider_named(self.provider)

    @property
    def problem(self) -> str:
        """What its provider last said against it, or why it could not be asked; in the language that is spoken."""
        return in_words(self.validation_error, self.provider_info) if self.validation_error else ""

    @property
    def open_flags(self) -> list["KeyFlag"]:
        """What was noticed of it and not dismissed, latest first; a list of keys fetches its `flags` at once."""
        found = (flag for flag in self.flags.all() if flag.dismissed_at is None)
        return sorted(found, key=lambda flag: flag.flagged_at, reverse=True)

    @property
    def in_trail(self) -> dict[str, str | None]:
        """What the trail calls the key by: its last characters, not its name, which operators may not read."""
        return {"provider": self.provider, "hint": self.hint, "key": str(self.pk)}

    def binding(self) -> Binding:
        """What this key's envelope is bound to; another row, person, provider or address opens nothing."""
        return Binding(
            owner=self.user_id,
            column="apikeys_apikey.envelope",
            row=self.pk,
            provider=self.provider,
            origin=origin_of(self.base_url),
        )


class FlagReason(models.TextChoices):
    FAILING = "failing", "Refused by its provider"
    UNUSUAL = "unusual", "Used far more than usual"
    EXPOSED = "exposed", "Found in plain text"


class KeyFlag(TenantModel):
    """A reason for which a key needs its owner's attention (apikeys/watching.py); it goes when the key is replaced.

    `details` holds what the sentence tells: figures, or the place where the key was found, never a text.
    """

    operator_columns: ClassVar[tuple[str, ...]] = ()

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="flags")
    reason = models.CharField(max_length=16, choices=FlagReason)
    details = models.JSONField(default=dict)
    flagged_at = models.DateTimeField(db_default=Now(), editable=False)
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "flag of a provider key"
        constraints = [models.UniqueConstraint(fields=["user", "key", "reason"], name="keyflag_reason_unique")]

    def __str__(self) -> str:
        return f"{self.key_id}: {self.reason}"

    @property
    def sentence(self) -> str:
        """What was noticed, with the figures that were compared; in the language that is spoken."""
        return flag_sentence(self.reason, self.details)

    @property
    def counsel(self) -> str:
        """What to do about it; in the language that is spoken."""
        return flag_counsel(self.reason)


class DeletedKey(TenantModel):
    """That a person deleted or replaced a secret here, so that no hand-over of an old browser brings it back.

    Only its fingerprint stays, which tells nothing without the person's data key.
    """

    fingerprint = models.BinaryField()
    deleted_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "deleted provider key"
        constraints = [models.UniqueConstraint(fields=["user", "fingerprint"], name="deletedkey_secret_unique")]

    def __str__(self) -> str:
        return f"Deleted at {self.deleted_at:%Y-%m-%d %H:%M}"
