"""Speaks with PostgreSQL while this thread does something else.

A cursor waits for each answer. A conversation here is a generator that stands still where it would have to wait, and is
carried on whenever somebody comes by; meanwhile the server works on what it was sent. Nobody else may use the
connection until it has ended.
"""

import select
from collections.abc import Generator, Iterable
from typing import TypeAlias, TypeVar

from psycopg import OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Answer = TypeVar("Answer")
# What it yields is what it waits for: events of the connection, as select.poll() has them.
Conversation: TypeAlias = Generator[int, None, Answer]

_READ = select.POLLIN
_BOTH = select.POLLIN | select.POLLOUT


def run(server: PGconn, script: bytes, *copies: Iterable[bytes | None]) -> Conversation[list[PGresult]]:
    """Runs several statements and returns what each of them answered; each COPY FROM STDIN takes one of `copies`.

    None among its pieces says that the next one is not there yet. Raises psycopg.Error, the conversation being over.
    """
    feeds = iter(copies)
    answers: list[PGresult] = []
    server.send_query(script)
    yield from _flush(server)
    while (answer := (yield from _answer(server))) is not None:
        if answer.status == ExecStatus.COPY_IN:
            yield from _copy(server, next(feeds))
        else:
            answers.append(answer)
    return [_checked(answer) for answer in answers]


def wait(server: PGconn, events: int) -> None:
    """Until the connection is ready for one of these events."""
    socket = select.poll()
    socket.register(server.socket, events)
    socket.poll()


def abandon(server: PGconn) -> None:
    """Ends what the server is in the middle of, so that the transaction can be rolled back."""
    try:
        while server.transaction_status == TransactionStatus.ACTIVE:
            _finished(server, _flush(server))
            answer = _finished(server, _answer(server))
            if answer is not None and answer.status == ExecStatus.COPY_IN:
                server.put_copy_end(b"nothing of it is wanted")
    except OperationalError:
        pass  # The connection is gone, and the transaction with it.


def _copy(server: PGconn, pieces: Iterable[bytes | None]) -> Conversation[None]:
    try:
        for piece in pieces:
            if piece is None:
                yield _READ
            else:
                server.put_copy_data(piece)
                yield from _flush(server)
        server.put_copy_end()
    except OperationalError:
        return  # The server takes no more; why not is what it answers.
    yield from _flush(server)


def _flush(server: PGconn) -> Conversation[None]:
    while server.flush():
        yield _BOTH
        server.consume_input()


def _answer(server: PGconn) -> Conversation[PGresult | None]:
    while server.is_busy():
        yield _READ
        server.consume_input()
    return server.get_result()


def _finished(server: PGconn, conversation: Conversation[Answer]) -> Answer:
    while True:
        try:
            wait(server, next(conversation))
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def _checked(answer: PGresult) -> PGresult:
    if answer.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        error = error_from_result(answer)
        # Without a state of its own it is not the server that speaks: the connection is gone.
        raise error if error.sqlstate else OperationalError(str(error))
    return answer
