"""What the largest hand-over needs of the serving process's memory."""

from collections.abc import Iterator
from pathlib import Path

from bench.measuring import Row, Sample, at_most
from bench.payloads import payload
from bench.stage import Stage
from bench.talking import hand_over

MIB = 1024 * 1024
PAYLOAD_MIB = 100
MESSAGES = 50


def measure(stage: Stage) -> Iterator[Sample]:
    """In each run a fresh server, warmed by a small hand-over, takes the payload in its only worker."""
    body = _large_payload()
    small = payload(chats=2, messages=2)
    while True:
        with stage.serve(workers=1) as server:
            hand_over(server.url, stage.person(), small)
            worker = _only_child(server.pid)
            idle = _status(worker, "VmRSS")
            hand_over(server.url, stage.person(), body)
            peak = _status(worker, "VmHWM")
        size = len(body) / MIB
        yield Sample(
            peak, size, {"idle MiB": idle, "peak above idle, as a multiple of the payload": (peak - idle) / size}
        )


def _large_payload() -> bytes:
    """As near to 100 MiB as whole chats come, from below."""
    of_one = len(payload(chats=20, messages=MESSAGES, repeat_text=12)) / 20
    body = payload(chats=int(PAYLOAD_MIB * MIB / of_one), messages=MESSAGES, repeat_text=12)
    while len(body) > PAYLOAD_MIB * MIB:
        of_one *= 1.001
        body = payload(chats=int(PAYLOAD_MIB * MIB / of_one), messages=MESSAGES, repeat_text=12)
    return body


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1, children
    return int(children[0])


def _status(pid: int, name: str) -> float:
    """A figure of /proc/<pid>/status, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/status has no {name}: this row needs Linux.")


ROW = Row(
    name="memory",
    subject=f"hand-over of {PAYLOAD_MIB} MiB: peak RSS of the serving process",
    reference="the payload's own size",
    unit="MiB",
    measure=measure,
    target=at_most(3),
)
