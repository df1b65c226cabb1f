"""Somebody who uses the server while it breaks, and what the server told them."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Headers = dict[str, str]
Answer = tuple[int, bytes]
LONGEST_SECONDS = 60  # an answer that takes longer counts as none


@dataclass
class Told:
    """What the server told all clients of a drill, by the records' names."""

    may_hang_up: bool  # whether the drill ends what answers: else a connection that ends is a fault
    once: list[str] = field(default_factory=list)  # sent once, and acknowledged
    repeated: list[str] = field(default_factory=list)  # sent under one Idempotency-Key until acknowledged
    settled: list[str] = field(default_factory=list)  # reserved, and settled until acknowledged
    reserved: int = 0
    read: int = 0
    refused: int = 0
    hung_up: int = 0
    wrong: list[str] = field(default_factory=list)
    _asked: float = 0.0  # when the latest request was sent that was answered well
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def written(self) -> int:
        return len(self.once) + len(self.repeated) + self.reserved

    @property
    def acknowledged(self) -> int:
        return self.written + len(self.settled)

    def note_answer(self, asked: float) -> None:
        with self._news:
            self._asked = max(self._asked, asked)
            self._news.notify_all()

    def is_answered(self, *, asked_after: float) -> bool:
        """Whether a request that was sent later than this was answered well."""
        return self._asked >= asked_after

    def wait_for_answer(self, *, asked_after: float, patience: float = 120) -> float:
        """Seconds from then until a request that was sent later was answered well."""
        deadline = time.monotonic() + patience
        with self._news:
            while self._asked < asked_after:
                left = deadline - time.monotonic()
                assert left > 0, f"Nothing is answered any more. So far: {self.wrong[:5]}"
                self._news.wait(left)
        return time.monotonic() - asked_after

    def wait_for_more(self, written: int, *, patience: float = 120) -> None:
        """Return once so many more were acknowledged."""
        until, deadline = self.written + written, time.monotonic() + patience
        while self.written < until:
            assert time.monotonic() < deadline, f"Nothing is answered any more. So far: {self.wrong[:5]}"
            time.sleep(0.01)


class Client:
    """One connection; a good answer, or None where there was none or a refusal in order."""

    def __init__(self, url: str, headers: Headers, told: Told) -> None:
        self._headers = headers
        self._told = told
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LONGEST_SECONDS)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Answer | None:
        """Anything but 200, 429 or a 503 that says when to come again is written down as wrong."""
        asked = time.monotonic()
        try:
            content = None if body is None else json.dumps(body)
            self._connection.request(method, path, content, self._headers | headers)
            response = self._connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._note_none(f"{method} {path} was not answered: {type(error).__name__} {error}")
            return None
        if response.status == 503:
            self._note_refusal(response, said)
            return None
        if response.status not in (200, 429):
            self._told.wrong.append(f"{method} {path} was answered {response.status} {said[:300]!r}")
            return None
        self._told.note_answer(asked)
        return response.status, said

    def _note_none(self, sentence: str) -> None:
        self._told.hung_up += 1
        if not self._told.may_hang_up:
            self._told.wrong.append(sentence)
        time.sleep(0.02)

    def _note_refusal(self, response: http.client.HTTPResponse, said: bytes) -> None:
        self._told.refused += 1
        if not (response.getheader("Retry-After") or "").isdecimal():
            self._told.wrong.append(f"503 without Retry-After: {said[:300]!r}")
        if response.getheader("Content-Type", "").startswith("application/json"):
            answer = json.loads(said)
            if answer.get("success") is not False or not answer.get("code"):
                self._told.wrong.append(f"503 without the envelope: {said[:300]!r}")
        time.sleep(0.1)
