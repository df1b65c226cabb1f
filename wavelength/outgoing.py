"""Calls to addresses that people or operators give: the one way out over HTTP.

An address is parsed once and its host looked up once. Everything found must be allowed, and the connection goes to what
was found, so that a second answer of the name service leads nowhere else; certificate and Host stay the name's. No
redirect is followed, and no proxy or password of the environment used. One deadline holds for the whole call, name
service and handshake included, and what is read of the answer is bounded.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpcore

from wavelength.ranges import Reach

CONNECT_TIMEOUT: Final = 3.0  # seconds for each of a host's addresses
URL_LENGTH: Final = 2000
USER_AGENT: Final = "Wavelength"
_PORTS: Final = {"http": 80, "https": 443}
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?)(:[0-9]{1,5})?", re.IGNORECASE)

T = TypeVar("T")
Place = tuple[socket.AddressFamily, Any]
"""A family and what `connect` takes for it."""


class Failure(StrEnum):
    """Why there is no answer; the value is a sentence for operators."""

    NO_ADDRESS = "This is not an address that can be called."
    UNKNOWN_HOST = "The host could not be found."
    NOT_ALLOWED = "The address leads to a private or special network."
    NO_CONNECTION = "No connection could be made."
    LATE = "There was no answer in time."
    BROKEN = "The connection broke off."


class OutgoingError(Exception):
    """A call got no answer. Its text is `failure`'s sentence: nothing of the address, the question or the answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Target:
    """An address, taken apart: `host` in small letters and without brackets, `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def literal(self) -> IPv4Address | IPv6Address | None:
        """The network address that stands in place of a name."""
        return _literal(self.host)

    @property
    def authority(self) -> str:
        """Host and port as the header Host has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` have small letters; `cut` says that the body was longer than was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


def parse(url: str) -> Target:
    """Take an address apart. Raises OutgoingError unless it is http or https, ASCII and without user or fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise OutgoingError(Failure.NO_ADDRESS) from None
    if (
        len(url) > URL_LENGTH
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' \\#"<>')
        or parts.scheme not in _PORTS
        or not _AUTHORITY.fullmatch(parts.netloc)
        or port == 0
        or (":" in host and not _literal(host))
    ):
        raise OutgoingError(Failure.NO_ADDRESS)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def call(
    method: str,
    url: str,
    *,
    timeout: float,
    most: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    reach: Reach = Reach.PUBLIC,
) -> Answer:
    """Ask an address and answer what it said, at most `most` bytes of it, within `timeout` seconds for everything.

    The public internet is called by https alone. A redirect is an answer like any other. Call it outside any
    transaction. Raises OutgoingError.
    """
    target = parse(url)
    if target.scheme != "https" and reach is Reach.PUBLIC:
        raise OutgoingError(Failure.NO_ADDRESS)
    deadline = time.monotonic() + timeout
    line = _Line(_look_up(target, reach, deadline), deadline)
    origin = httpcore.Origin(target.scheme.encode(), target.host.encode(), target.port)
    address = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target.path)
    # No compression: what is counted is what is read.
    plain = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    asked = plain | dict(headers or {}) | {"Host": target.authority, "Connection": "close"}
    try:
        with (
            httpcore.HTTPConnection(origin, ssl_context=_trusted(), network_backend=line) as connection,
            connection.stream(method, address, headers=list(asked.items()), content=body) as response,
        ):
            said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            return Answer(response.status, said, *_read(response, most))
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        raise OutgoingError(Failure.NO_CONNECTION) from None
    except httpcore.TimeoutException:
        raise OutgoingError(Failure.LATE) from None
    except (httpcore.NetworkError, httpcore.ProtocolError):
        raise OutgoingError(Failure.BROKEN) from None


def post(url: str, *, body: bytes, headers: Mapping[str, str], timeout: float, reach: Reach = Reach.PUBLIC) -> int:
    """Send a body and answer the status; nothing else is read. Otherwise like `call`."""
    return call("POST", url, timeout=timeout, most=0, headers=headers, body=body, reach=reach).status


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _look_up(target: Target, reach: Reach, deadline: float) -> list[Place]:
    """Answer where a host is, if all of that may be called: one private address among others is meant to lead us in."""
    found: SimpleQueue[list[Any]] = SimpleQueue()

    def ask() -> None:
        try:
            found.put(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            found.put([])

    # The resolver has a patience of its own and can't be interrupted: it is left behind when ours is at an end.
    Thread(target=ask, daemon=True).start()
    try:
        entries = found.get(timeout=_left(deadline))
    except Empty:
        raise OutgoingError(Failure.LATE) from None
    places = list(dict.fromkeys((entry[0], entry[4]) for entry in entries))
    if not places:
        raise OutgoingError(Failure.UNKNOWN_HOST)
    if not all(reach.allows(ip_address(place[0])) for _, place in places):
        raise OutgoingError(Failure.NOT_ALLOWED)
    return places


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are believed: certifi's list, and what the machine adds (SSL_CERT_FILE too)."""
    return httpcore.default_ssl_context()


def _read(response: httpcore.Response, most: int) -> tuple[bytes, bool]:
    body = bytearray()
    if most:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > most:
                return bytes(body[:most]), True
    return bytes(body), False


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


class _Line(httpcore.NetworkBackend):
    """Connects to places that were checked, whatever host it is asked for."""

    def __init__(self, places: list[Place], deadline: float) -> None:
        self._places = places
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """Answer a stream to the first place that takes the call: not all can be reached from everywhere."""
        for family, place in self._places:
            line = socket.socket(family, socket.SOCK_STREAM)
            try:
                line.settimeout(min(_left(self._deadline), CONNECT_TIMEOUT))
                line.connect(place)
            except OSError:
                line.close()
                continue
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _Stream(line, self._deadline)
        raise httpcore.ConnectError


class _Stream(httpcore.NetworkStream):
    """A socket each of whose steps has only what is left until the deadline: dripping bytes gain no time."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line = line
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Answer what is there, at most `max_bytes`."""
        return self._step(partial(self._line.recv, max_bytes), httpcore.ReadTimeout, httpcore.ReadError)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send it all."""
        view = memoryview(buffer)
        while view:
            sent = self._step(partial(self._line.send, view), httpcore.WriteTimeout, httpcore.WriteError)
            view = view[sent:]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands with whoever has the certificate of this name."""
        try:
            wrapped = self._step(
                partial(ssl_context.wrap_socket, self._line, server_hostname=server_hostname),
                httpcore.ConnectTimeout,
                httpcore.ConnectError,
            )
        except (httpcore.ConnectTimeout, httpcore.ConnectError):
            self.close()
            raise
        return _Stream(wrapped, self._deadline)

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _step(self, step: Callable[[], T], late: type[Exception], broken: type[Exception]) -> T:
        try:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._line.settimeout(left)
            return step()
        except TimeoutError:
            raise late from None
        except OSError:
            raise broken from None
