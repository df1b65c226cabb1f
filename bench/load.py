"""Load on a server: kept-alive connections that each ask again as soon as they are answered.

Raw sockets and as little work as possible, because the client shares the machine with the server; the very
same code loads both sides of a comparison.
"""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from urllib.parse import urlsplit

PROCESSES = 2
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What one connection asks again and again: a GET, or with a body a POST of this JSON."""

    path: str
    cookie: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers in a second, and how long each of them took, in seconds."""

    a_second: float
    took: Sequence[float]

    def percentile(self, share: float) -> float:
        """The time within which this share (0 to 1) of the answers came, in seconds."""
        ordered = sorted(self.took)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def load(url: str, questions: Sequence[Question], *, connections: int, seconds: float) -> Answered:
    """Ask for so long, connection n always question n (from the first again where there are fewer).

    Raises RuntimeError on any answer but 200.
    """
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(PROCESSES)
    children, ends = [], []
    asked = [questions[number % len(questions)] for number in range(connections)]
    for number in range(PROCESSES):
        ours, theirs = context.Pipe(duplex=False)
        task = _Task(url, asked[number::PROCESSES], seconds)
        child = context.Process(target=_load, args=(task, together, theirs), daemon=True)
        child.start()
        theirs.close()
        children.append(child)
        ends.append(ours)
    answers: list[Answered | str] = [end.recv() for end in ends]
    for child in children:
        child.join()
    failures = [answer for answer in answers if isinstance(answer, str)]
    if failures:
        raise RuntimeError("; ".join(failures))
    parts = [answer for answer in answers if isinstance(answer, Answered)]
    return Answered(sum(part.a_second for part in parts), list(chain.from_iterable(part.took for part in parts)))


@dataclass(frozen=True, slots=True)
class _Task:
    url: str
    questions: Sequence[Question]
    seconds: float


@dataclass(slots=True)
class _Conversation:
    address: tuple[str, int]
    request: bytes
    received: bytearray = field(default_factory=bytearray)
    peer: socket.socket = field(init=False)
    asked: float = 0.0

    def begin(self) -> None:
        self.peer = socket.create_connection(self.address)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask()

    def receive(self, took: list[float]) -> None:
        """Note how long an answer took once it is complete, and ask again."""
        piece = self.peer.recv(65536)
        if not piece:
            raise RuntimeError(f"The server hung up after {bytes(self.received[:200])!r}.")
        self.received += piece
        if _complete(self.received):
            took.append(time.perf_counter() - self.asked)
            self.received.clear()
            self._ask()

    def _ask(self) -> None:
        self.asked = time.perf_counter()
        self.peer.sendall(self.request)


def _load(task: _Task, together: Barrier, end: Connection) -> None:
    try:
        end.send(_answered_in(task, together))
    except (OSError, RuntimeError) as error:
        together.abort()
        end.send(f"{task.url}: {error}")


def _answered_in(task: _Task, together: Barrier) -> Answered:
    parts = urlsplit(task.url)
    address = (str(parts.hostname), int(parts.port or 80))
    conversations = [_Conversation(address, _request(question, parts.netloc)) for question in task.questions]
    with selectors.DefaultSelector() as selector:
        for conversation in conversations:
            conversation.begin()
            selector.register(conversation.peer, selectors.EVENT_READ, conversation)
        together.wait(timeout=30)
        _listen(selector, WARM_UP_SECONDS)
        began = time.perf_counter()
        took = _listen(selector, task.seconds)
        rate = len(took) / (time.perf_counter() - began)
    for conversation in conversations:
        conversation.peer.close()
    return Answered(rate, took)


def _request(question: Question, host: str) -> bytes:
    method = "GET" if question.body is None else "POST"
    lines = [f"{method} {question.path} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
    lines += [f"Cookie: {question.cookie}"] if question.cookie else []
    if question.body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(question.body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (question.body or b"")


def _listen(selector: selectors.BaseSelector, seconds: float) -> list[float]:
    deadline = time.perf_counter() + seconds
    took: list[float] = []
    while time.perf_counter() < deadline:
        for key, _ in selector.select(timeout=1):
            key.data.receive(took)
    return took


def _complete(received: bytearray) -> bool:
    head, end_of_head, body = received.partition(b"\r\n\r\n")
    if not end_of_head:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"It answered {bytes(received[:500])!r}.")
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return bool(rest) and len(body) >= int(rest.partition(b"\r\n")[0])
