"""What tells an open page that its figures moved: one thread a process looks once a second, for all who are watched.

A page opens a stream of server-sent events, which carries versions and no data; the page then asks for its own part
as the person it belongs to. A stream keeps one of the process's threads, so there are few of them and none lasts long;
who finds none free asks from time to time (docs/decisions/few-streams-and-one-look-a-second.md).
"""

import logging
import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import Error, connections
from django.http import StreamingHttpResponse

INTERVAL: Final = 1.0  # seconds from one look to the next
SLOWEST: Final = 5.0  # while the database cannot be asked
LIFETIME: Final = 100.0  # seconds of a stream, at least; up to a fifth more, so that not all of them end at once
HEARTBEAT: Final = 15.0  # seconds of silence that proxies bear
A_PERSON: Final = 2  # streams that one person may have of one process

logger = logging.getLogger(__name__)


class Sight(NamedTuple):
    """What one look saw: each person's version, and the sessions in which somebody is still signed in."""

    versions: Mapping[UUID, str]
    sessions: frozenset[str]


# Asked of all people and sessions that are watched, on a connection of the thread's own, while nobody is served.
Look = Callable[[Sequence[UUID], Sequence[str]], Sight]


@dataclass(eq=False, slots=True)
class Watch:
    """One stream's view of its person: the version last seen, None before the first look; `ended` once signed out."""

    person: UUID
    session: str
    version: str | None = None
    ended: bool = False


class Hub:
    """Who is watched in this process, and the thread that looks; the thread is there while anybody is."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._watches: set[Watch] = set()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._is_new = False

    def watch(self, *, person: UUID, session: str) -> Watch | None:
        """Begin to watch; None where no stream is free. Whoever gets one gives it back by `leave`."""
        with self._changed:
            theirs = sum(watch.person == person for watch in self._watches)
            if len(self._watches) >= settings.LIVE_STREAMS or theirs >= A_PERSON:
                return None
            watch = Watch(person, session)
            self._watches.add(watch)
            self._is_new = True
            self._changed.notify_all()
            if self._thread is None:
                self._thread = Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
            return watch

    def leave(self, watch: Watch) -> None:
        """Watch no more; again is as good as once."""
        with self._changed:
            self._watches.discard(watch)
            self._changed.notify_all()

    def news(self, watch: Watch, known: str | None, seconds: float) -> bool:
        """Wait for another version than the one known, or for the session's end; False when there was neither."""
        with self._changed:
            return self._changed.wait_for(lambda: watch.ended or watch.version != known, seconds)

    def _run(self) -> None:
        try:
            pause = INTERVAL
            while watches := self._next():
                began = time.monotonic()
                try:
                    self._tell(watches, self._look(*_asked(watches)))
                    pause = INTERVAL
                except Error as error:
                    # The server restarts, or the network is away. What was known stays true until it is back.
                    if pause == INTERVAL:
                        logger.warning("Open pages cannot be told of changes now: %s", str(error).strip())
                    pause = min(pause * 2, SLOWEST)
                    connections["default"].close()
                if settings.DATABASES["default"]["OPTIONS"].get("pool"):
                    connections["default"].close()  # back into the pool, which has others waiting
                self._rest(began + pause)
        finally:
            connections.close_all()

    def _next(self) -> list[Watch]:
        with self._changed:
            self._is_new = False
            if not self._watches:
                self._thread = None
            return list(self._watches)

    def _tell(self, watches: Sequence[Watch], sight: Sight) -> None:
        with self._changed:
            for watch in watches:
                watch.ended = watch.session not in sight.sessions
                watch.version = sight.versions.get(watch.person, watch.version)
            self._changed.notify_all()

    def _rest(self, until: float) -> None:
        """Wait, but not for somebody who came just now, nor when nobody is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_new or not self._watches, until - time.monotonic())


def _asked(watches: Sequence[Watch]) -> tuple[list[UUID], list[str]]:
    return list({watch.person for watch in watches}), list({watch.session for watch in watches})


# Of a process that is told to end, streams end first. gunicorn.conf.py says so.
is_serving: Callable[[], bool] = lambda: True  # noqa: E731  (a name to put another one in)


def serve_while(condition: Callable[[], bool]) -> None:
    """End every stream once this is false."""
    global is_serving  # noqa: PLW0603  (one for each process)
    is_serving = condition


class Stream:
    """The body of an answer: versions as they change, until the session or the stream's time ends.

    Gives its watch back when it is closed, also where it never began.
    """

    def __init__(self, hub: Hub, watch: Watch, connection: object) -> None:
        self._hub, self._watch = hub, watch
        self._events = _events(hub, watch, connection)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._events)

    def close(self) -> None:
        self._events.close()
        self._hub.leave(self._watch)


def stream_response(hub: Hub, watch: Watch, connection: object) -> StreamingHttpResponse:
    """A stream to this client; `connection` is its socket where the server says it."""
    response = StreamingHttpResponse(Stream(hub, watch, connection), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would keep events back
    return response


def _events(hub: Hub, watch: Watch, connection: object) -> Generator[bytes, None, None]:
    # Meanwhile this thread needs no connection to the database; its next request makes a new one.
    connections.close_all()
    ends = time.monotonic() + LIFETIME * random.uniform(1, 1.2)  # noqa: S311  (no secret)
    known, said = None, time.monotonic()
    yield b": versions follow\n\n"
    while is_serving() and time.monotonic() < ends and not _is_gone(connection):
        if hub.news(watch, known, INTERVAL):
            if watch.ended:
                yield b"event: ended\ndata:\n\n"
                return
            known, said = watch.version, time.monotonic()
            yield f"event: version\ndata: {known}\n\n".encode()
        elif time.monotonic() - said > HEARTBEAT:
            said = time.monotonic()
            yield b":\n\n"
    yield b"event: again\ndata:\n\n"


def _is_gone(connection: object) -> bool:
    """Whether the client has hung up, which else only a second write in vain would tell."""
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False
    try:
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0)) and connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except OSError:
        return True
