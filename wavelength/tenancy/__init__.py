"""Keeping people apart: who is being served now, told to PostgreSQL in every transaction.

DESIGN.md §5. The policies in the database compare each row's ``user_id`` with the setting
``app.user_id``; this module decides what that setting holds. Outside a tenant it is empty and
the application's role sees no personal row at all.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.db import connections, transaction

if TYPE_CHECKING:
    from wavelength.tenancy.base import DatabaseWrapper

logger = logging.getLogger(__name__)
SERVING_ANOTHER = "One tenant a transaction: another person is being served here."
_tenant: ContextVar[UUID | None] = ContextVar("wavelength_tenant", default=None)


class TenantSwitch(RuntimeError):  # noqa: N818  (it names what happened)
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
    if before == user_id:
        yield
        return
    if before is not None:
        raise TenantSwitch(SERVING_ANOTHER)
    with _serving(user_id):
        yield


@contextmanager
def tenant(user_id: UUID) -> Iterator[None]:
    """Serve this person inside one transaction on ``default``, as ``wl_app``.

    Never yield to a consumer from inside: a generator shares its caller's context.
    """
    with acting_for(user_id), transaction.atomic(using="default"):
        yield


def ask_entering(function: str, *arguments: str | None) -> tuple[str | None, ...] | None:
    """The first row, as texts, of a SQL function of ours that itself says whom it serves (`enter`), in one round trip.

    None when its first value is NULL: it served nobody. It comes as nobody: while a person is being served, it raises
    TenantSwitch. Alone it is a transaction of its own; inside one it is a savepoint, and nobody is served again after
    it. Raises django.db.Error as every statement does; PostgreSQL's state is its ``__cause__.sqlstate``.
    """
    if _tenant.get() is not None:
        raise TenantSwitch(SERVING_ANOTHER)
    connection = cast("DatabaseWrapper", connections["default"])
    if connection.in_atomic_block or not connection.get_autocommit():
        with transaction.atomic(using="default"):
            row = connection.call(function, *arguments)
            connection.tell_tenant()
    else:
        row = connection.call(function, *arguments)
    return None if row[0] is None else row


@contextmanager
def nobody() -> Iterator[None]:
    """Serve nobody inside, whoever is asking: an administrator at work is no tenant."""
    with _serving(None):
        yield


def forget_tenant() -> None:
    """Begin a request with nobody, on a thread that served others before.

    Finds someone only when a stream was dropped in the middle of a ``tenant()``; whatever it left open is
    rolled back with its connection.
    """
    if _tenant.get() is None:
        return
    logger.error("A request began while a person was still being served; its transaction is dropped.")
    _tenant.set(None)
    connections["default"].close()
    del connections["default"]


@contextmanager
def _serving(user_id: UUID | None) -> Iterator[None]:
    token = _tenant.set(user_id)
    try:
        _tell_open_transaction()
        yield
    finally:
        _tenant.reset(token)
        _tell_open_transaction()


def _tell_open_transaction() -> None:
    # The wrapper tells the database at the start of a transaction; this is for one begun before.
    cast("DatabaseWrapper", connections["default"]).tell_tenant()
