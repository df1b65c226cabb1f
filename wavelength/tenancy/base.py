"""The database backend of ``wl_app`` and ``wl_operator``: PostgreSQL, told who is being served.

``DATABASES[…]["ENGINE"] = "wavelength.tenancy"``; Django looks for ``DatabaseWrapper`` here.
"""

from functools import lru_cache
from typing import Any

from django.db.backends.postgresql import base
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from wavelength.tenancy import current_tenant

_TAKES_STATEMENTS = (TransactionStatus.IDLE, TransactionStatus.INTRANS)


class DatabaseWrapper(base.DatabaseWrapper):
    """Says ``SET LOCAL app.user_id`` at the start of every outermost transaction.

    Transaction-local and never session-level: a connection outlives the request it served.
    SET LOCAL with a literal, not ``set_config()``, because Citus carries only the former to its
    shards; the literal is that of a UUID object, so nothing a person wrote can reach it.
    """

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params["context"] = _with_fixed_integers(params["context"])
        return params

    def set_autocommit(
        self,
        autocommit: bool,
        force_begin_transaction_with_broken_autocommit: bool = False,
    ) -> None:
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if not autocommit and current_tenant() is not None:
            self.tell_tenant()

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]  # not in django-stubs
        # Rolling back to a savepoint also takes back what SET LOCAL said after it.
        self.tell_tenant()

    def tell_tenant(self) -> None:
        """Tell the open transaction who is being served now, or nobody."""
        # A connection in autocommit has no transaction to tell; a failed one takes no statement,
        # and is told again once it is rolled back to a savepoint.
        if self.connection is None or self.get_autocommit():
            return
        if self.connection.info.transaction_status not in _TAKES_STATEMENTS:
            return
        user_id = current_tenant()
        value = "" if user_id is None else str(user_id)
        with self.wrap_database_errors:
            self.connection.execute(f"SET LOCAL app.user_id = '{value}'", prepare=False)


@lru_cache
def _with_fixed_integers(template: AdaptersMap) -> AdaptersMap:
    # psycopg sends an int as int2, int4 or int8 by its size; each mix would be another prepared
    # statement with a plan of its own.
    adapters = AdaptersMap(template)
    adapters.register_dumper(int, Int8Dumper)
    return adapters
