"""`GET /api/profile`: what a signed-in request costs beside the least that a request can cost."""

from collections.abc import Iterator

from bench.load import Question, load
from bench.measuring import Row, Sample, at_least, by_turns
from bench.payloads import payload
from bench.stage import Stage
from bench.talking import get, hand_over

CONNECTIONS = 8
SECONDS = 2.0


def measure(stage: Stage) -> Iterator[Sample]:
    """Two servers with the same settings, loaded by turns."""
    with stage.serve() as ours, stage.serve("bench.bare") as bare:
        person = stage.person()
        hand_over(ours.url, person, payload(chats=40, messages=25, keys=True))
        answer = get(ours.url, person, "/api/profile")["data"]
        assert answer["stats"] == {"totalChats": 40, "totalMessages": 1000}, answer
        assert answer["apiKeys"], answer
        asked = Question("/api/profile", person.cookie)
        while True:
            yield by_turns(
                lambda: load(ours.url, [asked], connections=CONNECTIONS, seconds=SECONDS).a_second,
                lambda: load(bare.url, [Question("/")], connections=CONNECTIONS, seconds=SECONDS).a_second,
            )


ROW = Row(
    name="profile",
    subject=f"GET /api/profile at {CONNECTIONS} connections",
    reference="a bare WSGI view under the same gunicorn that runs one SELECT 1",
    unit="requests/s",
    measure=measure,
    target=at_least(0.4),
)
