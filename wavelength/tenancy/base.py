"""The database backend of ``wl_app`` and ``wl_operator``: PostgreSQL, told who is being served.

``DATABASES[…]["ENGINE"] = "wavelength.tenancy"``; Django looks for ``DatabaseWrapper`` here.
"""

import logging
import select
import threading
import weakref
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from time import perf_counter
from typing import Any, cast

from django.conf import settings
from django.db import Error
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg import Connection, DataError, OperationalError
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import Int8Dumper

from wavelength.tenancy import current_tenant

logger = logging.getLogger(__name__)
FRESH_SECONDS = 0.5
_of_thread = threading.local()
_numbers = count()


class DatabaseWrapper(base.DatabaseWrapper):
    """Says ``SET LOCAL app.user_id`` at the start of every outermost transaction.

    Transaction-local and never session-level: a connection outlives the request it served.
    SET LOCAL with a literal, not ``set_config()``, because Citus carries only the former to its
    shards; the literal is that of a UUID object, so nothing a person wrote can reach it.
    """

    # What was asked on this thread's connection, and how long it took in seconds; only ever added to.
    asked = 0
    waited = 0.0
    answered = float("-inf")  # when it last did, on the clock of perf_counter

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(self._timed)

    def _timed(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self._count(sql, began)

    def _count(self, sql: str, began: float) -> None:
        self.answered = perf_counter()
        took = self.answered - began
        self.asked += 1
        self.waited += took
        if took > settings.SLOW_QUERY_SECONDS:
            # The statement alone: its parameters are personal.
            logger.warning("slow query", extra={"ms": round(took * 1000), "sql": " ".join(str(sql).split())[:2000]})

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params["context"] = _with_fixed_integers(params["context"])
        return params

    def connect(self) -> None:
        super().connect()
        opened: dict[str, DatabaseWrapper] = vars(_of_thread).setdefault("opened", {})
        opened[self.alias] = self

    def set_autocommit(
        self,
        autocommit: bool,
        force_begin_transaction_with_broken_autocommit: bool = False,
    ) -> None:
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if autocommit:
            return
        try:
            self.tell_tenant()
        except Error:
            # Left like this, Django would take it for a transaction managed by hand and never commit.
            self.close()
            raise

    def is_usable(self) -> bool:
        """Whether the server is still there, as CONN_HEALTH_CHECKS asks before each request's first query."""
        # A connection whose other end was closed can be read at once. One that says nothing is as good as
        # a SELECT 1 would find it, and costs no round trip.
        if self.connection is None or self.connection.closed:
            return False
        if perf_counter() - self.answered < FRESH_SECONDS:
            # Looking would give the interpreter to another thread, for an answer that is a moment old.
            return True
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return super().is_usable() if socket.poll(0) else True

    def tell_tenant(self) -> None:
        """Tell the open transaction who is being served now, or nobody."""
        # A connection in autocommit has no transaction to tell; a failed one takes no statement,
        # and is told again once it is rolled back to a savepoint.
        if self.connection is None or self.autocommit:
            return
        user_id = current_tenant()
        statement = f"SET LOCAL app.user_id = '{user_id or ''}'"
        status = self.connection.pgconn.transaction_status
        if status == TransactionStatus.INTRANS:
            with self.wrap_database_errors:
                self.connection.execute(statement, prepare=False)
        elif status == TransactionStatus.IDLE and user_id is not None:
            self._begin_with(statement)

    def _begin_with(self, statement: str) -> None:
        # psycopg would send BEGIN by itself, one round trip before the statement.
        if self.connection.isolation_level is not None:
            with self.wrap_database_errors:
                self.connection.execute(statement, prepare=False)
            return
        with self.wrap_database_errors:
            # Past psycopg's cursor too, which would wait for each of them and then look at each result.
            _checked(self.connection.pgconn.exec_(f"BEGIN; {statement}".encode()))

    def call(self, function: str, *arguments: str | bytes | None) -> tuple[str | None, ...]:
        """The first row that a SQL function of ours answers to these values, as texts, in one round trip.

        A value is text, or bytes in PostgreSQL's binary form of the parameter's type. Past Django's and psycopg's
        cursors, which take longer than the function does. In PL/pgSQL, so that the function keeps its plans.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        question = _question(function, len(arguments))
        began = perf_counter()
        with debug_transaction(self, question), self.wrap_database_errors:
            values = [_text(argument) if isinstance(argument, str) else argument for argument in arguments]
            forms = [int(isinstance(argument, bytes)) for argument in arguments]
            row = _first_row(self._answered(question, values, forms))
        self._count(question, began)
        return row

    def _answered(self, question: str, values: list[bytes | None], forms: list[int]) -> PGresult:
        server = self.connection.pgconn
        if self.connection.prepare_threshold is None or server.transaction_status != TransactionStatus.IDLE:
            return _checked(server.exec_params(question.encode(), values, param_formats=forms))
        names = _prepared_on(self.connection)
        if question in names:
            try:
                return _checked(server.exec_prepared(names[question], values, forms))
            except InvalidSqlStatementName:
                # Somebody dropped it behind psycopg's back.
                pass
        names[question] = f"wavelength_{next(_numbers)}".encode()
        _checked(server.prepare(names[question], question.encode()))
        return _checked(server.exec_prepared(names[question], values, forms))

    # The names of savepoints never come twice: prepared, they would drive the queries that do out of
    # psycopg's cache, and cost another round trip each.

    def _savepoint(self, sid: str) -> None:
        self._execute_unprepared(self.ops.savepoint_create_sql(sid))

    def _savepoint_commit(self, sid: str) -> None:
        self._execute_unprepared(self.ops.savepoint_commit_sql(sid))

    def _savepoint_rollback(self, sid: str) -> None:
        self._execute_unprepared(self.ops.savepoint_rollback_sql(sid))
        # That also took back what SET LOCAL said after the savepoint.
        self.tell_tenant()

    def _execute_unprepared(self, statement: str) -> None:
        self.validate_no_broken_transaction()
        self.ensure_connection()
        with debug_transaction(self, statement), self.wrap_database_errors:
            self.connection.execute(statement, prepare=False)


def look_after_connections(**signal: Any) -> None:
    """Django's `close_old_connections`, at the end of a request, for those of ours that this thread ever opened."""
    for connection in vars(_of_thread).get("opened", {}).values():
        connection.close_if_unusable_or_obsolete()


def _prepared_on(connection: Connection[Any]) -> dict[str, bytes]:
    """The calls that are prepared on it, by name; kept with it, because a pool hands it from wrapper to wrapper."""
    names: dict[str, bytes] | None = vars(connection).get("wavelength_prepared")
    if names is None:
        names = vars(connection)["wavelength_prepared"] = {}
        vars(connection)["_deallocate"] = _dropping_too(names, weakref.ref(connection))
    return names


def _dropping_too(
    names: dict[str, bytes], connection: "weakref.ref[Connection[Any]]"
) -> Callable[[bytes | None], PQGen[None]]:
    # After a rollback or a dropped table psycopg drops all prepared statements, not only its own. Who asks PostgreSQL
    # for one of them is told that it is gone; of who asks PgBouncer, it ends the connection.
    def drop(name: bytes | None) -> PQGen[None]:
        here = cast("Connection[Any]", connection())
        if name is None:
            names.clear()
        return type(here)._deallocate(here, name)  # noqa: SLF001  (nothing public tells of it)

    return drop


@lru_cache
def _question(function: str, arguments: int) -> str:
    places = ", ".join(f"${number}" for number in range(1, arguments + 1))
    return f"SELECT * FROM {function}({places})"


def _text(argument: str) -> bytes:
    if "\0" in argument:
        # libpq would end the text there.
        raise DataError("PostgreSQL texts cannot hold NUL.")
    return argument.encode()


def _checked(result: PGresult) -> PGresult:
    if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        error = error_from_result(result)
        # Without a state of its own it is not the server that speaks: the connection is gone.
        raise error if error.sqlstate else OperationalError(str(error))
    return result


def _first_row(result: PGresult) -> tuple[str | None, ...]:
    values = [result.get_value(0, column) for column in range(result.nfields)]
    return tuple([value if value is None else value.decode() for value in values])


@lru_cache
def _with_fixed_integers(template: AdaptersMap) -> AdaptersMap:
    # psycopg sends an int as int2, int4 or int8 by its size; each mix would be another prepared
    # statement with a plan of its own.
    adapters = AdaptersMap(template)
    adapters.register_dumper(int, Int8Dumper)
    return adapters
