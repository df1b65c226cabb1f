"""What a large hand-over needs of the serving process: its peak above idle stays below three times the payload."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from tests.chats.payloads import chat, message
from tests.chats.test_handover_interrupt import headers_of, post
from tests.processes import serve

MIB = 1024 * 1024
SIZE = 30 * MIB

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

WORDS = "A sentence like another, with some words in it. " * 20
WIDE = "x" * MIB + "\N{GRINNING FACE}"  # four bytes a character in Python, one in JSON


def many_chats() -> Iterator[dict[str, Any]]:
    for number in range(SIZE // (50 * 1100)):
        yield chat(f"c{number}", *(message(f"m{place}", content=WORDS) for place in range(50)))


def one_chat() -> Iterator[dict[str, Any]]:
    yield chat("c1", *(message(f"m{place}", content=WIDE) for place in range(SIZE // MIB)))


def small_chats() -> Iterator[dict[str, Any]]:
    for number in range(30_000):
        yield chat(f"c{number}", title="x" * 600)


def bad_chats() -> Iterator[dict[str, Any]]:
    for number in range(30_000):
        yield chat(f"c{number}", title="x" * 600, createdAt="never")


def rubbish() -> Iterator[Any]:
    yield chat("c1", message("m1"), rubbish=[{}] * (SIZE // 4))


@pytest.mark.parametrize("chats", [many_chats, one_chat, small_chats, bad_chats, rubbish])
def test_peak(alice: User, chats: Any) -> None:
    body = b'{"chats": [' + b",".join(json.dumps(one, ensure_ascii=False).encode() for one in chats()) + b"]}"
    headers = headers_of(alice)
    with serve(workers=1, threads=4) as server:
        post(server.url, headers, b'{"chats": []}')
        (worker,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        idle = figure(worker, "VmRSS")

        post(server.url, headers, body)

        peak = figure(worker, "VmHWM")
    assert peak - idle < 3 * len(body), f"{(peak - idle) / len(body):.2f} times the payload"


def figure(pid: str, name: str) -> int:
    """A figure of /proc/<pid>/status, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
