"""Sentry, as far as it takes what is reported: envelopes of items, compressed or not (develop.sentry.dev)."""

import gzip
import json
import time
from typing import Any, Final, Literal

from tests.servers.local import LocalServer, Received, Reply, json_reply

KEY: Final = "0123456789abcdef0123456789abcdef"


class SentryServer(LocalServer):
    """A project whose `SENTRY_DSN` is `.dsn`. With the mode `slow` it answers nobody while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.mode: Literal["ok", "slow"] = "ok"
        self.dsn = f"http://{KEY}@127.0.0.1:{self.port}/7"

    def answer(self, request: Received) -> Reply:
        """Takes an envelope from whoever knows the key."""
        if self.mode == "slow":
            self.stopping.wait()
        if (request.method, request.path) != ("POST", "/api/7/envelope/"):
            return json_reply({"detail": "Not here."}, 404)
        if f"sentry_key={KEY}" not in request.header("X-Sentry-Auth"):
            return json_reply({"detail": "Wrong key."}, 403)
        header, _ = items_of(request)
        return json_reply({"id": header.get("event_id", "")})

    @property
    def items(self) -> list[tuple[str, Any]]:
        """The type of each item that came, and what it holds."""
        return [item for request in list(self.received) for item in items_of(request)[1]]

    def events(self, count: int, timeout: float = 15) -> list[Any]:
        """The first so many errors, waited for; `TimeoutError` when fewer come."""
        deadline = time.monotonic() + timeout
        while len(found := [item for kind, item in self.items if kind == "event"]) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} errors in {timeout} s.")
            time.sleep(0.02)
        return found

    @property
    def everything(self) -> bytes:
        """All that came, in clear: addresses, headers, bodies."""
        return b"\n".join(
            part
            for request in list(self.received)
            for part in (request.path.encode(), str(request.query).encode(), bytes(request.headers), in_clear(request))
        )


def in_clear(request: Received) -> bytes:
    """The body without its compression."""
    match request.header("Content-Encoding"):
        case "":
            return request.body
        case "gzip":
            return gzip.decompress(request.body)
        case other:
            raise ValueError(f"a body that no test can read: {other}")


def items_of(request: Received) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """An envelope's header and its items: a line of JSON each, and a payload of the length that it names."""
    first, _, rest = in_clear(request).partition(b"\n")
    items = []
    while rest:
        line, _, rest = rest.partition(b"\n")
        about = json.loads(line)
        length = about.get("length", len(rest.partition(b"\n")[0]))
        items.append((str(about["type"]), json.loads(rest[:length])))
        rest = rest[length:].removeprefix(b"\n")
    return json.loads(first), items
