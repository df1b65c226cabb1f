"""Keeping people apart: who is being served now, told to PostgreSQL in every transaction.

DESIGN.md §5. The policies in the database compare each row's ``user_id`` with the setting
``app.user_id``; this module decides what that setting holds. Outside a tenant it is empty and
the application's role sees no personal row at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.db import connections, transaction

if TYPE_CHECKING:
    from wavelength.tenancy.base import DatabaseWrapper

_tenant: ContextVar[UUID | None] = ContextVar("wavelength_tenant", default=None)


class TenantSwitch(RuntimeError):
    """Code that serves one person tried to act for another without leaving the first."""


def current_tenant() -> UUID | None:
    """The person being served in this context, or None."""
    return _tenant.get()


@contextmanager
def acting_for(user_id: UUID) -> Iterator[None]:
    """Every transaction begun inside belongs to this person; opens none itself.

    An already open transaction is switched to the person and back. Raises TenantSwitch when
    another person is being served.
    """
    if not isinstance(user_id, UUID):
        raise TypeError(f"A tenant is a UUID, not {type(user_id).__name__}.")
    before = _tenant.get()
    if before not in (None, user_id):
        raise TenantSwitch("One tenant a transaction: another person is being served here.")
    token = _tenant.set(user_id)
    try:
        if before is None:
            _tell_open_transaction()
        yield
    finally:
        _tenant.reset(token)
        if before is None:
            _tell_open_transaction()


@contextmanager
def tenant(user_id: UUID) -> Iterator[None]:
    """Serve this person inside one transaction on ``default``, as ``wl_app``."""
    with acting_for(user_id), transaction.atomic(using="default"):
        yield


def _tell_open_transaction() -> None:
    # The wrapper tells the database at the start of a transaction; this is for one begun before.
    connection = cast("DatabaseWrapper", connections["default"])
    if connection.in_atomic_block:
        connection.tell_tenant()
