"""People, and what belongs to a person before they make anything."""

from functools import lru_cache
from hashlib import sha256
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from wavelength.ids import uuid7
from wavelength.tenancy.models import TenantModel


class Tier(models.TextChoices):
    FREE = "free", "Free"
    PRO = "pro", "Pro"


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """One person. Read before anyone is known, so it carries no policy and nothing secret.

    ``tier`` decides the default quotas. An account is *deactivated* by its owner (``deactivated_at``,
    undone through a link by mail) or switched off by an operator (``is_active`` alone).
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "email", "name", "tier", "created_at", "last_login", "is_active", "is_staff",
        "deactivated_at",
    )  # fmt: skip

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=150, blank=True)
    tier = models.CharField(max_length=16, choices=Tier, default=Tier.FREE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("administrator", default=False)
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique")]

    def __str__(self) -> str:
        return self.email

    @property
    def is_superuser(self) -> bool:
        # Administrators may do what the admin offers; what that is, the database role decides.
        return self.is_active and self.is_staff

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Bound to password and SECRET_KEY as Django's own is, in a form that the database can check as well: `enter`.
        return sha256((session_stamp(secret) + self.password).encode()).hexdigest()

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        return self.is_superuser

    def has_perms(self, perm_list: list[str], obj: object | None = None) -> bool:
        return self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_superuser


def session_stamp(secret: str | None = None) -> str:
    """What ties sessions to SECRET_KEY (or the key given): with another key, nobody is signed in any more."""
    return _stamp_of(secret or settings.SECRET_KEY)


@lru_cache(maxsize=8)
def _stamp_of(secret: str) -> str:
    return salted_hmac("wavelength.accounts.session_stamp", "", secret=secret, algorithm="sha256").hexdigest()


class Session(AbstractBaseSession):
    """A signed-in (or not yet signed-in) browser; names its person so that one query finds both.

    ``auth_hash`` is the person's session auth hash as of signing in: once their password changed, it fits no more.
    """

    operator_columns: ClassVar[tuple[str, ...]] = ()

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    auth_hash = models.CharField(max_length=64, blank=True, default="")

    @classmethod
    def get_session_store_class(cls) -> Any:
        from accounts.sessions import SessionStore  # it imports this model

        return SessionStore


class Theme(models.TextChoices):
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"
    AUTO = "auto", "As the system"


class Mail(models.TextChoices):
    """A kind of mail that one may want or not; what concerns the safety of an account is always sent."""

    QUOTA = "quota", "A quota runs low"
    KEY = "key", "A key stops working"
    NEWS = "news", "Product news"


def _wanted_at_first() -> list[str]:
    return [Mail.QUOTA.value, Mail.KEY.value]


def _avatar_path(profile: "Profile", filename: str) -> str:
    # A new name for each upload: caches never show the old picture, and the name tells nothing.
    return f"avatars/{uuid7()}.webp"


class Profile(TenantModel):
    """What a person says of themself and how they want the product; one for each user."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    display_name = models.CharField(max_length=80, blank=True)
    avatar = models.ImageField(upload_to=_avatar_path, blank=True)
    bio = models.CharField(max_length=500, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=35, blank=True)
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.AUTO)
    preferences = models.JSONField(default=dict, blank=True)
    features = models.JSONField(default=dict, blank=True)
    wanted_mails = ArrayField(models.CharField(max_length=16, choices=Mail), default=_wanted_at_first, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user"], name="profile_user_unique")]

    def wants(self, mail: Mail) -> bool:
        """Whether the person wants mails of this kind."""
        return mail in self.wanted_mails

    @property
    def avatar_address(self) -> str:
        """The picture's path on this site, wherever it is stored; empty without one."""
        return f"{settings.MEDIA_URL}{self.avatar.name}" if self.avatar else ""


class DataKey(TenantModel):
    """The random key that seals one person's secrets, itself wrapped by a key of the ring."""

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "ring_key_id", "created_at", "rewrapped_at",
    )  # fmt: skip

    wrapped = models.BinaryField()
    ring_key_id = models.CharField(max_length=32)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    rewrapped_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user"], name="datakey_user_unique")]


class SystemKey(models.Model):
    """A data key that belongs to no person: it seals TOTP secrets (allauth's hook names none)."""

    operator_columns: ClassVar[tuple[str, ...]] = ("id", "purpose", "ring_key_id", "created_at")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=32, unique=True)
    wrapped = models.BinaryField()
    ring_key_id = models.CharField(max_length=32)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    rewrapped_at = models.DateTimeField(null=True, editable=False)


class Actor(models.TextChoices):
    """Who made an event happen."""

    OWNER = "owner", "The person"
    OPERATOR = "operator", "An administrator"
    STRANGER = "stranger", "Somebody not signed in as them"
    SYSTEM = "system", "Wavelength itself"


class AuditEvent(TenantModel):
    """Something that happened to an account; only ever added to.

    ``actor`` and what follows say where it came from: null in events older than these columns, and where a job or
    command did it.
    """

    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT", "INSERT")
    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "kind", "details", "at", "actor", "address", "device", "request_id",
    )  # fmt: skip

    kind = models.CharField(max_length=64)
    details = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now(), editable=False)
    actor = models.CharField(max_length=16, choices=Actor, null=True)
    address = models.GenericIPAddressField(null=True)
    device = models.CharField(max_length=64, null=True)
    request_id = models.CharField(max_length=64, null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-at", "-id"], name="auditevent_user_at_id"),
            # For the hourly count of events: next to nothing to keep, and no person is found by it.
            BrinIndex(fields=["at"], autosummarize=True, name="auditevent_at"),
        ]


class Way(models.TextChoices):
    """What an account's erasure comes from."""

    ASKED = "asked", "Asked for by the person"
    DEACTIVATED = "deactivated", "Deactivated and not had back"
    COMMAND = "command", "Asked for with manage.py"


class ErasureRequest(TenantModel):
    """That everything of a person goes, and when; taken back by calling off, or by having the account back.

    From ``begun_at`` on there is no way back: the data key is gone.
    """

    way = models.CharField(max_length=16, choices=Way)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    happens_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user"], name="erasurerequest_user_unique")]


class ErasureRecord(models.Model):
    """That somebody was erased, and how much there was; it names nobody. Written by ``erase_person`` alone."""

    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT",)
    operator_columns: ClassVar[tuple[str, ...]] = ("id", "at", "way", "counts")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)
    way = models.CharField(max_length=16, choices=Way)
    counts = models.JSONField(default=dict)


class DataArchive(TenantModel):
    """The one archive that a person has or had last; ``file`` is its name in the storage, not to be guessed.

    ``moved_at`` is when a process last said that it is making it; null until one does.
    """

    class State(models.TextChoices):
        MAKING = "making", "Being made"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    state = models.CharField(max_length=8, choices=State, default=State.MAKING)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)
    file = models.CharField(max_length=100, blank=True, default="")
    size = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user"], name="dataarchive_user_unique")]


class Presence(TenantModel):
    """That a person was here on a day (UTC), whatever they did; kept until the active people of a month are counted."""

    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT", "INSERT")

    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="presence_unique")]


class ApiToken(TenantModel):
    """What a person's scripts call the JSON API with, until it ends or is revoked (the row goes).

    Of it only the SHA-256 is kept, and the last characters, by which its owner tells it from others. ``expires_at`` is
    null where it does not end by itself; ``last_used_at`` is true to about a minute.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "hint", "read_only", "created_at", "expires_at", "last_used_at",
    )  # fmt: skip

    name = models.CharField(max_length=80)
    token_hash = models.BinaryField()
    hint = models.CharField(max_length=8)
    read_only = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "API token"
        constraints = [models.UniqueConstraint(fields=["token_hash", "user"], name="apitoken_hash_unique")]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="apitoken_user_newest")]

    def __str__(self) -> str:
        return f"…{self.hint}"

    @property
    def has_ended(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class AnonymousSession(models.Model):
    """A browser's life before it had an account; claimed by at most one.

    Read before anyone is known, so it carries no policy. Holds no content and no key.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "anonymous_id", "created_at", "claimed_by_id", "claimed_at",
    )  # fmt: skip

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    anonymous_id = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    claimed_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    claimed_at = models.DateTimeField(null=True)
