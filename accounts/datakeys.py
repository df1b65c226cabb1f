"""Data keys as they are stored: one for each person, and the system's own. DESIGN.md §6."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models.functions import Now

from accounts.due import people_due
from accounts.models import DataKey, SystemKey
from wavelength import envelope
from wavelength.envelope import EnvelopeError, KeyRing, WrappedKey
from wavelength.ids import uuid7
from wavelength.tenancy import tenant

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from wavelength.envelope import KeyWrapper

SYSTEM_PURPOSE = "two-factor"


def key_ring() -> KeyWrapper:
    """Answer what wraps data keys: the ring of API_KEY_ENCRYPTION_KEY and its old keys."""
    return _ring(settings.API_KEY_ENCRYPTION_KEY, tuple(settings.API_KEY_ENCRYPTION_OLD_KEYS))


@lru_cache(maxsize=4)
def _ring(primary: str, old: tuple[str, ...]) -> KeyRing:
    return KeyRing.from_hex(primary, old)


def create_data_key(user_id: UUID) -> None:
    """Make a new person's data key, inside their `tenant()`."""
    wrapped = key_ring().wrap(envelope.DataKey.generate(uuid7()), owner=user_id)
    DataKey.objects.create(id=wrapped.id, user_id=user_id, wrapped=wrapped.wrapped, ring_key_id=wrapped.ring_key_id)


def data_key_for(user_id: UUID) -> envelope.DataKey:
    """Unwrap a person's data key, inside their `tenant()`.

    Raises DataKey.DoesNotExist when it was shredded, and EnvelopeError when it does not open.
    """
    return key_ring().unwrap(_as_wrapped(DataKey.objects.get(user_id=user_id)))


def system_data_key() -> envelope.DataKey:
    """Unwrap the key for secrets that name no person; it is made the first time it is asked for."""
    stored = SystemKey.objects.filter(purpose=SYSTEM_PURPOSE).first() or _create_system_key()
    return key_ring().unwrap(_as_wrapped(stored))


def _create_system_key() -> SystemKey:
    wrapped = key_ring().wrap(envelope.DataKey.generate(uuid7()), owner=None)
    # Two processes may come here at once: the unique purpose lets one win, for both.
    stored, _ = SystemKey.objects.get_or_create(
        purpose=SYSTEM_PURPOSE,
        defaults={
            "id": wrapped.id,
            "wrapped": wrapped.wrapped,
            "ring_key_id": wrapped.ring_key_id,
        },
    )
    return stored


def _as_wrapped(stored: DataKey | SystemKey) -> WrappedKey:
    owner = stored.user_id if isinstance(stored, DataKey) else None
    return WrappedKey(stored.id, owner, stored.ring_key_id, bytes(stored.wrapped))


def ring_keys_in_use() -> dict[str, int]:
    """Answer the id of every ring key that wraps a stored data key, and how many it wraps.

    Counts across people, through a definer function; tells nothing else about anyone.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT ring_key_id, held FROM ring_keys_in_use()")
        return dict(cursor.fetchall())


def missing_ring_keys() -> dict[str, int]:
    """Answer the ring keys that stored data keys need and the configuration lacks."""
    ring = key_ring()
    return {key: held for key, held in ring_keys_in_use().items() if not ring.has(key)}


def rewrap_data_keys() -> Generator[EnvelopeError | None, None, None]:
    """Wrap every data key with the primary ring key; yields once for each, an error if it failed.

    Each is a transaction of its own, so it may be stopped at any moment and run again, also
    twice at once. Call it outside any transaction.
    """
    ring = key_ring()
    for user_id in people_due("rotation", detail=ring.primary_id):
        yield from _rewrap_person(user_id, ring)
    for stored in SystemKey.objects.exclude(ring_key_id=ring.primary_id):
        yield from _rewrap(stored, ring)


def _rewrap_person(user_id: UUID, ring: KeyWrapper) -> Iterator[EnvelopeError | None]:
    with tenant(user_id):
        # A row that another run holds is left to it.
        stale = DataKey.objects.select_for_update(skip_locked=True)
        found = stale.filter(user_id=user_id).exclude(ring_key_id=ring.primary_id).first()
        outcomes = list(_rewrap(found, ring)) if found else []
    yield from outcomes


def _rewrap(stored: DataKey | SystemKey, ring: KeyWrapper) -> Iterator[EnvelopeError | None]:
    try:
        data_key = ring.unwrap(_as_wrapped(stored))
    except EnvelopeError as error:
        yield error
        return
    owner = stored.user_id if isinstance(stored, DataKey) else None
    wrapped = ring.wrap(data_key, owner=owner)
    # Compare and swap: nothing is lost when somebody else has just rewrapped it.
    swapped = (
        type(stored)
        .objects.filter(pk=stored.pk, ring_key_id=stored.ring_key_id)
        .update(wrapped=wrapped.wrapped, ring_key_id=wrapped.ring_key_id, rewrapped_at=Now())
    )
    if swapped:
        yield None
