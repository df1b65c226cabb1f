"""Putting provider keys away and taking them out: one function for each thing done to a key.

Every function owns its transaction, except `store_migrated_key`, which joins the hand-over's. Plain
text exists only as a `Secret`, inside the call that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Final, Literal, TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.datakeys import data_key_for
from apikeys.addresses import clean_base_url
from apikeys.models import DEFAULT_NAME, NAME_LENGTH, ApiKey, DeletedKey, KeyFlag
from apikeys.providers import KeyRefusedError, Verdict, check_format, provider_named
from apikeys.watching import look_through_later
from usage.keys import limit_key
from usage.quotas import hold_usage
from wavelength.envelope import DataKey, EnvelopeError, Secret
from wavelength.tenancy import tenant

NAME_TAKEN: Final = "apikey_name_unique"
SECRET_TAKEN: Final = "apikey_secret_unique"  # noqa: S105  (a constraint's name)


class KeyChanges(TypedDict, total=False):
    """What may be changed of a key; a field that is absent stays as it is.

    `verdict` is what the provider said of the new secret; without one it counts as not checked.
    """

    key_name: str | None
    daily_limit: int | None
    monthly_limit: int | None
    is_active: bool
    secret: Secret
    verdict: Verdict
    base_url: str | None


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key taken out for one call."""

    provider: str
    base_url: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a key that a browser handed over; `sentence` says why it was refused."""

    kind: Literal["stored", "already there", "deleted here", "refused"]
    sentence: str | None = None


def keys_of(user_id: UUID, *, with_flags: bool = True) -> list[ApiKey]:
    """Answer a person's keys, newest first, each with its use and, if wanted, its flags."""
    with tenant(user_id):
        keys = ApiKey.objects.with_use().newest_first()
        return list(keys.prefetch_related("flags") if with_flags else keys)


def key_of(*, user_id: UUID, key_id: UUID) -> ApiKey:
    """Answer one key of a person, with its use. Raises ApiKey.DoesNotExist."""
    with tenant(user_id):
        return ApiKey.objects.with_use().get(pk=key_id)


def store_key(
    *,
    user_id: UUID,
    provider: str,
    secret: Secret,
    key_name: str | None = None,
    base_url: str | None = None,
    daily_limit: int | None = None,
    monthly_limit: int | None = None,
    verdict: Verdict | None = None,
) -> ApiKey:
    """Seal and store a new key, with what its provider said of it when that was asked.

    Raises KeyRefusedError with a sentence when it cannot be taken.
    """
    key = ApiKey(
        user_id=user_id,
        provider=provider_named(provider).name,
        key_name=clean_name(key_name),
        base_url=clean_base_url(base_url or ""),
        daily_limit=daily_limit,
        monthly_limit=monthly_limit,
    )
    secret = _cleaned(key, secret)
    with _refusing_duplicates(), tenant(user_id):
        hold_usage(user_id)
        _seal(key, secret)
        _believe(key, verdict)
        key.save(force_insert=True)
        _welcome_back(key)
        limit_key(user_id=user_id, api_key_id=key.pk, daily=key.daily_limit, monthly=key.monthly_limit)
        audit.record(user_id, "key.added", **key.in_trail)
        look_through_later(user_id)
        return key_of(user_id=user_id, key_id=key.pk)


def change_key(*, user_id: UUID, key_id: UUID, **changes: Unpack[KeyChanges]) -> ApiKey:
    """Change a key, or replace its secret (then nothing is known of its validity any more).

    Raises ApiKey.DoesNotExist, and KeyRefusedError when the change cannot be made: the address may change
    only together with the secret, because a secret is bound to where it may be sent.
    """
    with _refusing_duplicates(), tenant(user_id):
        hold_usage(user_id)
        key = ApiKey.objects.select_for_update().get(pk=key_id)
        was = copy(key)
        _apply(key, changes)
        key.updated_at = Now()
        key.save(force_update=True)
        if bytes(key.fingerprint) != bytes(was.fingerprint):
            _remember_deleted(user_id, bytes(was.fingerprint))
            _welcome_back(key)
            # What was noticed was noticed of the secret that is gone.
            KeyFlag.objects.filter(key=key).delete()
        limit_key(user_id=user_id, api_key_id=key.pk, daily=key.daily_limit, monthly=key.monthly_limit)
        _record_changes(key, was)
        if "secret" in changes:
            look_through_later(user_id)
        return key_of(user_id=user_id, key_id=key.pk)


def delete_key(*, user_id: UUID, key_id: UUID) -> None:
    """Delete a key for good, with its limits; what was used through it stays used.

    Its fingerprint is remembered, so that no hand-over brings it back. Raises ApiKey.DoesNotExist.
    """
    with tenant(user_id):
        hold_usage(user_id)
        key = ApiKey.objects.select_for_update().get(pk=key_id)
        audit.record(user_id, "key.deleted", **key.in_trail)
        _remember_deleted(user_id, bytes(key.fingerprint))
        key.delete()


@contextmanager
def use_key(*, user_id: UUID, key_id: UUID) -> Iterator[OpenKey]:
    """Take an active key out for one call to its provider, and note that it was used.

    The call itself runs outside any transaction. Raises ApiKey.DoesNotExist, also for one that is
    switched off, and EnvelopeError when it does not open.
    """
    with tenant(user_id):
        key = ApiKey.objects.get(pk=key_id, is_active=True)
        opened = open_key(key)
        ApiKey.objects.filter(pk=key_id).update(last_used=Now())
    yield opened


def pasted_key(*, provider: str, secret: Secret, base_url: str | None = None) -> OpenKey:
    """Answer a pasted key as it would be stored, for asking its provider first; nothing is stored.

    Raises KeyRefusedError when it cannot be this provider's key.
    """
    key = ApiKey(provider=provider_named(provider).name, base_url=clean_base_url(base_url or ""))
    return OpenKey(key.provider, key.base_url, _cleaned(key, secret))


def open_key(key: ApiKey) -> OpenKey:
    """Open a key's envelope, inside its owner's `tenant()`. Raises EnvelopeError."""
    secret = data_key_for(key.user_id).open(bytes(key.envelope), key.binding())
    return OpenKey(key.provider, key.base_url, secret)


def open_all(data_key: DataKey, _owner: UUID | None) -> Iterator[bool]:
    """Open every key of a person, inside their `tenant()`, for `check_encryption`."""
    for key in ApiKey.objects.order_by("pk"):
        try:
            data_key.open(bytes(key.envelope), key.binding())
        except EnvelopeError:
            yield False
        else:
            yield True


def store_migrated_key(
    *, user_id: UUID, provider: str, secret: Secret, base_url: str | None = None, enabled: bool = True
) -> Outcome:
    """Store a key that a browser hands over, inside `tenant(user_id)`; again is no harm.

    The same secret is not stored twice, one that was deleted here does not come back, and another secret for a
    taken name gets a name of its own.
    """
    key = ApiKey(user_id=user_id, provider=provider, is_active=enabled)
    try:
        key.base_url = clean_base_url(base_url or "")
        secret = _cleaned(key, secret)
    except KeyRefusedError as refused:
        return Outcome("refused", str(refused))
    hold_usage(user_id)
    _seal(key, secret)
    for key.key_name in _names(provider):
        if known := _known(bytes(key.fingerprint)):
            return known
        try:
            with transaction.atomic():
                key.save(force_insert=True)
                limit_key(user_id=user_id, api_key_id=key.pk, daily=None, monthly=None)
        except IntegrityError as error:
            # Somebody else's hand-over of the same browser came first: look again.
            if _constraint(error) not in (NAME_TAKEN, SECRET_TAKEN):
                raise
        else:
            audit.record(user_id, "key.added", **key.in_trail)
            return Outcome("stored")
    raise AssertionError("names never end")


def foresee_migrated_key(*, user_id: UUID, provider: str, secret: Secret, base_url: str | None = None) -> Outcome:
    """Answer what `store_migrated_key` would, and store nothing; inside `tenant(user_id)`."""
    key = ApiKey(user_id=user_id, provider=provider)
    try:
        clean_base_url(base_url or "")
        secret = _cleaned(key, secret)
    except KeyRefusedError as refused:
        return Outcome("refused", str(refused))
    return _known(data_key_for(user_id).fingerprint(secret)) or Outcome("stored")


def clean_name(name: str | None) -> str:
    """Answer a key's name without surrounding space; the usual one when it is empty."""
    name = (name or "").strip()
    if len(name) > NAME_LENGTH or not name.isprintable():
        sentence = _("A key's name has at most %(most)d characters, without line breaks.")
        raise KeyRefusedError("key_name", "invalid_key_name", sentence % {"most": NAME_LENGTH})
    return name or DEFAULT_NAME


def _apply(key: ApiKey, changes: KeyChanges) -> None:
    if "key_name" in changes:
        key.key_name = clean_name(changes["key_name"])
    if "daily_limit" in changes:
        key.daily_limit = changes["daily_limit"]
    if "monthly_limit" in changes:
        key.monthly_limit = changes["monthly_limit"]
    if "is_active" in changes:
        key.is_active = changes["is_active"]
    if "base_url" in changes:
        base_url = clean_base_url(changes["base_url"] or "")
        if base_url != key.base_url and "secret" not in changes:
            sentence = _("Enter the key again to change its base URL.")
            raise KeyRefusedError("base_url", "secret_required", sentence)
        key.base_url = base_url
    if "secret" in changes:
        _seal(key, _cleaned(key, changes["secret"]))
        _believe(key, changes.get("verdict"))


def _record_changes(key: ApiKey, was: ApiKey) -> None:
    if bytes(key.envelope) != bytes(was.envelope):
        audit.record(key.user_id, "key.replaced", **key.in_trail)
    if key.key_name != was.key_name:
        audit.record(key.user_id, "key.renamed", **key.in_trail)
    if key.is_active != was.is_active:
        audit.record(key.user_id, "key.switched_on" if key.is_active else "key.switched_off", **key.in_trail)
    limits = {"daily": key.daily_limit, "monthly": key.monthly_limit}
    if limits != {"daily": was.daily_limit, "monthly": was.monthly_limit}:
        audit.record(key.user_id, "key.limited", **key.in_trail, **limits)


def _cleaned(key: ApiKey, secret: Secret) -> Secret:
    # A pasted secret comes with the white space around it.
    secret = Secret(secret.reveal().strip())
    check_format(provider_named(key.provider), secret)
    return secret


def _seal(key: ApiKey, secret: Secret) -> None:
    data_key = data_key_for(key.user_id)
    key.envelope = data_key.seal(secret, key.binding())
    key.fingerprint = data_key.fingerprint(secret)
    key.hint = secret.hint()


def _believe(key: ApiKey, verdict: Verdict | None) -> None:
    """Keep what the provider said of the secret that the key now holds."""
    key.is_valid = verdict.works if verdict else None
    key.validation_error = verdict.sentence if verdict else None
    key.last_validated = Now() if verdict and verdict.works is not None else None
    # Whoever enters a key reads what its provider says: that it fails is no news then.
    key.failure_told_at = Now() if key.is_valid is False else None


def _known(fingerprint: bytes) -> Outcome | None:
    if ApiKey.objects.filter(fingerprint=fingerprint).exists():
        return Outcome("already there")
    if DeletedKey.objects.filter(fingerprint=fingerprint).exists():
        return Outcome("deleted here")
    return None


def _remember_deleted(user_id: UUID, fingerprint: bytes) -> None:
    DeletedKey.objects.bulk_create([DeletedKey(user_id=user_id, fingerprint=fingerprint)], ignore_conflicts=True)


def _welcome_back(key: ApiKey) -> None:
    """Forget that this secret was deleted: its owner entered it again."""
    DeletedKey.objects.filter(fingerprint=key.fingerprint).delete()


def _names(provider: str) -> Iterator[str]:
    taken = set(ApiKey.objects.filter(provider=provider).values_list("key_name", flat=True))
    number = 1
    while True:
        name = DEFAULT_NAME if number == 1 else f"{DEFAULT_NAME} {number}"
        if name not in taken:
            yield name
        number += 1


@contextmanager
def _refusing_duplicates() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        sentences = {
            NAME_TAKEN: ("key_name", _("You already have a key of this name for this provider.")),
            SECRET_TAKEN: ("secret", _("You have already stored this key.")),
        }
        if (constraint := _constraint(error)) not in sentences:
            raise
        field, sentence = sentences[constraint]
        raise KeyRefusedError(field, "key_exists", sentence) from None


def _constraint(error: IntegrityError) -> str:
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or ""
