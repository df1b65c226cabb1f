"""Which database connection, and so which role, serves a query."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wavelength.tenancy import current_tenant, nobody

_operating: ContextVar[bool] = ContextVar("wavelength_operating", default=False)


@contextmanager
def operating() -> Iterator[None]:
    """Everything inside goes to ``operator``, transactions too; a ``tenant()`` inside does not.

    The administrator is a person as well, being served until here: inside, nobody is.
    """
    token = _operating.set(True)
    try:
        with nobody():
            yield
    finally:
        _operating.reset(token)


class RoleRouter:
    """The application's role, unless an administrator or an operator command is at work."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return _alias()

    def db_for_write(self, model: type, **hints: Any) -> str:
        return _alias()

    def allow_relation(self, first: object, second: object, **hints: Any) -> bool:
        # The aliases are roles in one database, not databases.
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "owner"


def _alias() -> str:
    return "operator" if _operating.get() and current_tenant() is None else "default"
