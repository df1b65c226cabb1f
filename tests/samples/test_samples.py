"""The samples are what their makers write today."""

from pathlib import Path

import pytest

from tests import node, samples
from tests.samples import make_hostile


def test_raw_samples_are_what_zustand_persists(tmp_path: Path) -> None:
    node.run("make_samples.mjs", str(tmp_path))

    for name in ("small", "rich"):
        assert (tmp_path / f"{name}.json").read_bytes() == samples.raw(name)


@pytest.mark.parametrize(("name", "expected"), [("small", samples.SMALL), ("rich", samples.RICH)])
def test_raw_sample_holds_what_is_expected_of_it(name: str, expected: samples.Expected) -> None:
    payload = samples.payload(name)

    assert len(payload["chats"]) == len({chat["id"] for chat in payload["chats"]}) == expected.chats
    assert sum(len(chat["messages"]) for chat in payload["chats"]) == expected.messages
    secrets = {
        payload["config"]["apiKey"],
        *(it["apiKey"] for it in payload["config"]["providers"].values()),
    }
    assert len(secrets) == expected.keys


def test_hostile_sample_is_what_its_maker_writes() -> None:
    assert samples.raw("hostile").decode("ascii") == make_hostile.hostile()


def test_hostile_sample_names_every_chat_once_good_or_bad() -> None:
    ids = [chat.get("id") if isinstance(chat, dict) else None for chat in make_hostile.chats()]
    named = [id_ for id_ in ids if isinstance(id_, str) and id_]

    assert len(ids) - len(named) == samples.HOSTILE.nameless
    assert {*named, "good-twin~2"} == {*samples.HOSTILE.good, *samples.HOSTILE.bad}
    assert sorted(id_ for id_ in named if named.count(id_) == 2) == [
        "good-twin",
        "good-twin",
        "twice",
        "twice",
    ]
