"""What people use, what they may use, and what they have set aside for requests under way."""

from typing import Any, ClassVar, Final

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Tier
from wavelength.ids import uuid7
from wavelength.names import plain
from wavelength.tenancy.models import TenantModel

NAME_LENGTH = 200
NAMED_AS_SENT = "Exactly as clients send it."
A_MILLION = "US dollars a million tokens."
PRICE: Final[dict[str, Any]] = {"max_digits": 18, "decimal_places": 9, "validators": [MinValueValidator(0)]}


class Source(models.TextChoices):
    CLIENT = "client", _("Client")
    GATEWAY = "gateway", _("Gateway")
    MIGRATION = "migration", _("Hand-over")


class Period(models.TextChoices):
    DAILY = "daily", "Daily"
    MONTHLY = "monthly", "Monthly"


class UsageRecord(TenantModel):
    """The ledger: what one person used of one model in one hour, from one source.

    `hour` is when the hour starts; an hour in which a quota window starts is two rows, so that no row
    belongs to two windows. Reasoning tokens stand beside output tokens, cached ones are among the input.
    Costs are US dollars: `total_cost` is what callers reported, else what was computed, and null when neither
    is known for any request; `unpriced_requests` counts those without one.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "provider", "model", "hour", "source", "request_count", "unpriced_requests", "input_tokens",
        "output_tokens", "reasoning_tokens", "cached_tokens", "total_cost", "computed_cost", "created_at", "updated_at",
    )  # fmt: skip
    # Nothing of the ledger is taken back; erasing a person takes their rows along.
    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT", "INSERT", "UPDATE")

    provider = models.CharField(max_length=NAME_LENGTH)
    model = models.CharField(max_length=NAME_LENGTH)
    hour = models.DateTimeField()
    source = models.CharField(max_length=16, choices=Source)
    request_count = models.BigIntegerField()
    unpriced_requests = models.BigIntegerField(db_default=0)
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField(db_default=0)
    total_cost = models.DecimalField(max_digits=36, decimal_places=12, null=True)
    computed_cost = models.DecimalField(max_digits=36, decimal_places=12, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # The hour leads, so that a person's last days are one stretch of it.
            models.UniqueConstraint(
                fields=["user", "hour", "provider", "model", "source"], name="usagerecord_hour_unique"
            ),
        ]
        # For the admin's look at everybody's last days: next to nothing to keep, and no person is found by it.
        indexes = [BrinIndex(fields=["hour"], autosummarize=True, name="usagerecord_hour")]

    def __str__(self) -> str:
        return f"{plain(self.provider)} {plain(self.model)}, {self.hour:%Y-%m-%d %H:%M} ({self.source})"


class ClosedDay(TenantModel):
    """What the ledger holds of one of a person's days that is over, in one row for each provider, model and source.

    Made from the ledger when the person looks (`usage_close_days`) and dropped when something is told late
    (`usage_reopen_days`): up to the newest of them no day is missing, and none is of another `zone`. Nothing is lost
    with them.
    """

    operator_columns: ClassVar[tuple[str, ...]] = ()
    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT", "INSERT", "DELETE")

    day = models.DateField()
    zone = models.CharField(max_length=64)
    provider = models.CharField(max_length=NAME_LENGTH)
    model = models.CharField(max_length=NAME_LENGTH)
    source = models.CharField(max_length=16, choices=Source)
    request_count = models.BigIntegerField()
    unpriced_requests = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    total_cost = models.DecimalField(max_digits=36, decimal_places=12, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "day", "provider", "model", "source"], name="closedday_unique"),
        ]

    def __str__(self) -> str:
        return f"{plain(self.provider)} {plain(self.model)}, {self.day} ({self.source})"


class QuotaLimit(TenantModel):
    """What a person may use in a period: of everything, of a provider, of one model, or through one key.

    Null allows any amount. `tier` names the tier whose default this is, and is empty where an operator set it or
    it belongs to a key. `own_…` is the budget that the person set; of both, the lower holds.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "period", "provider", "model", "api_key_id", "tier", "request_limit", "token_limit",
        "cost_limit", "own_token_limit", "own_cost_limit", "created_at", "updated_at",
    )  # fmt: skip

    period = models.CharField(max_length=8, choices=Period)
    provider = models.CharField(max_length=NAME_LENGTH, blank=True)
    model = models.CharField(max_length=NAME_LENGTH, blank=True)
    # apikeys, which stands above this app, makes it a key to its own table.
    api_key_id = models.UUIDField(null=True)
    tier = models.CharField(max_length=16, choices=Tier, blank=True)
    request_limit = models.BigIntegerField(null=True)
    token_limit = models.BigIntegerField(null=True)
    cost_limit = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    own_token_limit = models.BigIntegerField(null=True)
    own_cost_limit = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "id"], name="quotalimit_user_id"),
            models.UniqueConstraint(
                fields=["user", "period", "provider", "model", "api_key_id"],
                nulls_distinct=False,
                name="quotalimit_unique",
            ),
        ]

    def __str__(self) -> str:
        key = f"key {self.api_key_id}" if self.api_key_id else ""
        return " ".join(filter(None, (self.period, plain(self.provider), plain(self.model), key, "limit")))


class QuotaWindow(TenantModel):
    """One day or month of a limit, `starts_at` to before `ends_at`: what was used of it, and what is reserved.

    `limits_then` are the requests, tokens and US dollars that it allowed at its end, null for any amount. They are
    written when the limit changes afterwards: where there are none, the limit is still what it was.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "limit_id", "starts_at", "ends_at", "used_requests", "used_tokens", "used_cost",
        "reserved_requests", "reserved_tokens", "reserved_cost", "updated_at",
    )  # fmt: skip

    limit = models.ForeignKey(
        QuotaLimit, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    used_requests = models.BigIntegerField(db_default=0)
    used_tokens = models.BigIntegerField(db_default=0)
    used_cost = models.DecimalField(max_digits=36, decimal_places=12, db_default=0)
    reserved_requests = models.BigIntegerField(db_default=0)
    reserved_tokens = models.BigIntegerField(db_default=0)
    reserved_cost = models.DecimalField(max_digits=36, decimal_places=12, db_default=0)
    limits_then = ArrayField(models.DecimalField(max_digits=36, decimal_places=12, null=True), null=True)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # The end, because it finds the open one among years of closed ones by itself. No second index:
            # a plan that was kept would read every closed one by it.
            models.UniqueConstraint(fields=["user", "limit", "ends_at"], name="quotawindow_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M}"


class QuotaNotice(TenantModel):
    """That the person was written to about a limit: of its window that ends at `ends_at`, when `level` % were used."""

    operator_columns: ClassVar[tuple[str, ...]] = ()

    limit = models.ForeignKey(
        QuotaLimit, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    ends_at = models.DateTimeField()
    level = models.SmallIntegerField()
    told_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "limit"], name="quotanotice_unique")]

    def __str__(self) -> str:
        return f"{self.level} % until {self.ends_at:%Y-%m-%d %H:%M}"


class Reservation(TenantModel):
    """Room set aside in `windows` for one request under way; it ends settled, released or expired."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"
        RELEASED = "released", "Released"
        EXPIRED = "expired", "Expired"

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "provider", "model", "tokens", "cost", "state", "created_at", "expires_at", "closed_at",
    )  # fmt: skip

    provider = models.CharField(max_length=NAME_LENGTH)
    model = models.CharField(max_length=NAME_LENGTH)
    api_key_id = models.UUIDField(null=True)
    tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=24, decimal_places=12)
    state = models.CharField(max_length=8, choices=State, db_default=State.OPEN)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    windows = ArrayField(models.UUIDField())
    # What settled it, so that a repeat can be told from a contradiction, and the answer it got.
    digest = models.CharField(max_length=64, blank=True, db_default="")
    answer = models.TextField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "id"], name="reservation_user_id")]
        indexes = [
            models.Index(fields=["user", "expires_at"], condition=models.Q(state="open"), name="reservation_open"),
        ]

    def __str__(self) -> str:
        return f"{plain(self.provider)} {plain(self.model)}, {self.created_at:%Y-%m-%d %H:%M} ({self.state})"


class IdempotentRequest(TenantModel):
    """Something that was counted under a name of the client's own; a repeat gets the same answer and adds nothing.

    `scope` is `request` for an Idempotency-Key and `sync` for the id of a record in a batch.
    """

    operator_columns: ClassVar[tuple[str, ...]] = ()

    scope = models.CharField(max_length=8)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, db_default="")
    answer = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "scope", "key"], name="idempotentrequest_unique")]


class AdviceKind(models.TextChoices):
    CHEAPER = "cheaper", "Cheaper model"
    QUOTA = "quota", "Quota that ends early"
    DAY = "day", "Unusual day"
    KEY_IDLE = "key_idle", "Unused key"
    KEY_FAILING = "key_failing", "Failing key"
    KEY_UNUSUAL = "key_unusual", "Key used far more than usual"
    KEY_EXPOSED = "key_exposed", "Key in plain text"


class AdviceDismissal(TenantModel):
    """Advice of one kind about one subject that the person does not want to read before `until`."""

    operator_columns: ClassVar[tuple[str, ...]] = ()

    kind = models.CharField(max_length=16, choices=AdviceKind)
    subject = models.CharField(max_length=32)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind", "subject"], name="advicedismissal_unique")]

    def __str__(self) -> str:
        return f"{self.kind} until {self.until:%Y-%m-%d %H:%M}"


class ModelPrice(models.Model):
    """An administrator's price of one model, in US dollars a million tokens; it stands before genai-prices' own.

    Empty reasoning and cached prices are those of output and input.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "provider", "model", "input_price", "output_price", "reasoning_price", "cached_price", "request_price",
        "updated_at",
    )  # fmt: skip
    operator_privileges: ClassVar[tuple[str, ...]] = ("INSERT", "UPDATE", "DELETE")
    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=NAME_LENGTH, help_text=NAMED_AS_SENT)
    model = models.CharField(max_length=NAME_LENGTH, help_text=NAMED_AS_SENT)
    input_price = models.DecimalField("price of input", **PRICE, help_text=A_MILLION)
    output_price = models.DecimalField("price of output", **PRICE, help_text=A_MILLION)
    reasoning_price = models.DecimalField(
        "price of reasoning", **PRICE, null=True, blank=True, help_text=f"{A_MILLION} Empty: as output."
    )
    cached_price = models.DecimalField(
        "price of cached input", **PRICE, null=True, blank=True, help_text=f"{A_MILLION} Empty: as other input."
    )
    request_price = models.DecimalField(
        "price of a request", **PRICE, default=0, help_text="US dollars for each request, beside its tokens."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="modelprice_unique")]

    def __str__(self) -> str:
        return f"{plain(self.provider)} {plain(self.model)}"


class ModelAccess(models.Model):
    """Which tier a model asks for; a model's own row goes before its provider's. Without any it is open to all."""

    operator_columns: ClassVar[tuple[str, ...]] = ("id", "provider", "model", "tier", "updated_at")
    operator_privileges: ClassVar[tuple[str, ...]] = ("INSERT", "UPDATE", "DELETE")
    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=NAME_LENGTH, help_text=NAMED_AS_SENT)
    model = models.CharField(
        max_length=NAME_LENGTH, blank=True, help_text=f"{NAMED_AS_SENT} Empty for all models of the provider."
    )
    tier = models.CharField("lowest tier", max_length=16, choices=Tier, default=Tier.PRO)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "model access"
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="modelaccess_unique")]

    def __str__(self) -> str:
        return f"{plain(self.provider)} {plain(self.model) or '*'}: {self.tier}"


class AnonymousDay(models.Model):
    """Messages of one browser without an account, or of one network address, in one day of UTC.

    Counted before anyone is known, so it carries no policy. Of an address only an HMAC stands here.
    """

    class Scope(models.TextChoices):
        SESSION = "session", "Browser"
        ADDRESS = "address", "Network address"

    operator_columns: ClassVar[tuple[str, ...]] = ()

    # The day leads: what is past is pruned by it.
    pk = models.CompositePrimaryKey("day", "scope", "name")
    day = models.DateField()
    scope = models.CharField(max_length=8, choices=Scope)
    name = models.CharField(max_length=NAME_LENGTH)
    messages = models.IntegerField()
