"""What every local server of the tests stands on: real HTTP over a real socket, on a thread, on a free port."""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Received:
    """One request as it came in. Header names are looked up without regard to case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes

    def header(self, name: str) -> str:
        """The header's value, empty when absent."""
        return str(self.headers.get(name, ""))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return single(self.body.decode())


@dataclass(frozen=True)
class Reply:
    """What goes back. A body that is no `bytes` is streamed, without a Content-Length."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(data: Any, status: int = 200, **headers: str) -> Reply:
    """`data` as JSON; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status,
        json.dumps(data).encode(),
        {"Content-Type": "application/json; charset=utf-8"} | named,
    )


def single(query: str) -> dict[str, str]:
    """The fields of a query string or form, the last of each name."""
    return {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}


class LocalServer:
    """A server that runs while its `with` block does. Subclasses say what to answer; `received` tells what came."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.stopping = threading.Event()
        self._http = _Http(self)
        self.port = int(self._http.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def answer(self, request: Received) -> Reply:
        """The answer to one request."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, server: LocalServer) -> None:
        self.local = server
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Received(self.command, parts.path, single(parts.query), self.headers, body)
        self.server.local.received.append(request)
        reply = self.server.local.answer(request)
        try:
            self._send(reply)
        except (BrokenPipeError, ConnectionResetError):
            # The other side had seen enough, which is what some tests are about.
            self.close_connection = True

    def do_GET(self) -> None:  # http.server looks for this name
        self._respond()

    def do_POST(self) -> None:  # http.server looks for this name
        self._respond()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        whole = isinstance(reply.body, bytes)
        if isinstance(reply.body, bytes):
            self.send_header("Content-Length", str(len(reply.body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = self.close_connection or not whole
        for chunk in [reply.body] if isinstance(reply.body, bytes) else reply.body:
            self.wfile.write(chunk)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `received` keeps what a test may ask about."""
