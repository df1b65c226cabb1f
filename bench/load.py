"""Load on one address: kept-alive connections that each ask again as soon as they are answered.

Raw sockets and as little work as possible, because the client shares the machine with the server; the very
same code loads both sides of a comparison.
"""

import multiprocessing
import selectors
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from urllib.parse import urlsplit

PROCESSES = 2
WARM_UP_SECONDS = 0.5


def requests_per_second(url: str, *, connections: int, seconds: float, cookie: str = "") -> float:
    """How many GETs of `url` were answered with 200 in a second. Raises RuntimeError on any other answer."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(PROCESSES)
    children, ends = [], []
    for number in range(PROCESSES):
        ours, theirs = context.Pipe(duplex=False)
        share = connections // PROCESSES + (number < connections % PROCESSES)
        task = _Task(url, cookie, share, seconds)
        child = context.Process(target=_load, args=(task, together, theirs), daemon=True)
        child.start()
        theirs.close()
        children.append(child)
        ends.append(ours)
    answers: list[_Rate] = [end.recv() for end in ends]
    for child in children:
        child.join()
    failures = [answer.failure for answer in answers if answer.failure]
    if failures:
        raise RuntimeError("; ".join(failures))
    return sum(answer.a_second for answer in answers)


@dataclass(frozen=True, slots=True)
class _Task:
    url: str
    cookie: str
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Rate:
    a_second: float = 0.0
    failure: str = ""


@dataclass(slots=True)
class _Conversation:
    address: tuple[str, int]
    request: bytes
    received: bytearray = field(default_factory=bytearray)
    peer: socket.socket = field(init=False)

    def begin(self) -> None:
        self.peer = socket.create_connection(self.address)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer.sendall(self.request)

    def receive(self) -> bool:
        """True when an answer is complete, and the next request is on its way."""
        piece = self.peer.recv(65536)
        if not piece:
            raise RuntimeError(f"The server hung up after {bytes(self.received[:200])!r}.")
        self.received += piece
        if not _complete(self.received):
            return False
        self.received.clear()
        self.peer.sendall(self.request)
        return True


def _load(task: _Task, together: Barrier, end: Connection) -> None:
    try:
        end.send(_Rate(_rate(task, together)))
    except (OSError, RuntimeError) as error:
        together.abort()
        end.send(_Rate(failure=f"{task.url}: {error}"))


def _rate(task: _Task, together: Barrier) -> float:
    parts = urlsplit(task.url)
    lines = [f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Accept: application/json"]
    lines += [f"Cookie: {task.cookie}"] if task.cookie else []
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    address = (str(parts.hostname), int(parts.port or 80))
    conversations = [_Conversation(address, request) for _ in range(task.connections)]
    with selectors.DefaultSelector() as selector:
        for conversation in conversations:
            conversation.begin()
            selector.register(conversation.peer, selectors.EVENT_READ, conversation)
        together.wait(timeout=30)
        _answered(selector, WARM_UP_SECONDS)
        began = time.perf_counter()
        answered = _answered(selector, task.seconds)
        rate = answered / (time.perf_counter() - began)
    for conversation in conversations:
        conversation.peer.close()
    return rate


def _answered(selector: selectors.BaseSelector, seconds: float) -> int:
    deadline = time.perf_counter() + seconds
    answered = 0
    while time.perf_counter() < deadline:
        for key, _ in selector.select(timeout=1):
            answered += key.data.receive()
    return answered


def _complete(received: bytearray) -> bool:
    head, end_of_head, body = received.partition(b"\r\n\r\n")
    if not end_of_head:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"It answered {bytes(received[:500])!r}.")
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return bool(rest) and len(body) >= int(rest.partition(b"\r\n")[0])
