"""The tolerant reader of payloads, below HTTP: it agrees with the standard library on all that is JSON."""

import json
import math
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chats.payload import Payload, ShapeError, TooLargeError
from chats.scanning import MAX_DEPTH, Extent, NotJsonError, Scanner, Unusable, load
from chats.spool import Spool
from chats.validation import message_rows, read_header
from tests.chats.payloads import chat, message

USER = UUID("01939b2c-0000-7000-8000-000000000001")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=40,
)


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_values_are_found_and_loaded_as_they_are(value: object, indent: int | None, ascii_only: bool) -> None:
    written = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    buffer = b" " + written + b" , 1"

    scanner = Scanner(buffer)
    extent = scanner.skip()

    assert (extent.start, extent.end) == (1, 1 + len(written))
    assert load(buffer, extent).value == value
    assert not load(buffer, extent).repaired


@given(st.dictionaries(texts, values))
def test_members_are_walked_as_they_stand(value: dict[str, object]) -> None:
    scanner = Scanner(json.dumps(value).encode())

    walked = {key: load(scanner.buffer, scanner.skip()).value for key in scanner.members()}

    assert walked == value
    scanner.finish()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_good_order(rubbish: bytes) -> None:
    for body in (rubbish, b'{"chats": [' + rubbish + b"]}", b'{"chats": [{"messages": [' + rubbish + b"]}]}"):
        try:
            with opened(body):
                pass
        except (NotJsonError, ShapeError):
            pass


@given(st.text(max_size=60))
def test_what_is_accepted_is_json_and_what_is_not_is_not(text: str) -> None:
    body = f'{{"chats": [{json.dumps(text)}], "other": [{text}]}}'.encode(errors="surrogatepass")
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        with pytest.raises(NotJsonError):
            opened(body)
    else:
        opened(body).__exit__(None, None, None)


@pytest.mark.parametrize(
    "written", [b"NaN", b"Infinity", b"-Infinity", b"9" * 41, b"-" + b"9" * 5000, b"1" * 1_000_000]
)
def test_numbers_that_are_none_become_unusable(written: bytes) -> None:
    loaded = load(b'["\\ud800", ' + written + b"]", Extent(0, len(written) + 12)).value

    assert isinstance(loaded, list)
    assert isinstance(loaded[1], Unusable)


def test_numbers_too_large_for_a_float_are_infinite() -> None:
    assert load(b"1e999", Extent(0, 5)).value == math.inf


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (r'"a\u0000b"', "a\ufffdb"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\ud83d\ude00\ud83d"', "\U0001f600\ufffd"),
        (r'"\\u0000"', r"\u0000"),
        (r'{"\u0000": ["\ud83d"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_text_that_cannot_be_stored_is_repaired(written: str, stored: object) -> None:
    loaded = load(written.encode(), Extent(0, len(written)))

    assert loaded.value == stored
    assert loaded.repaired is ("\ufffd" in json.dumps(stored, ensure_ascii=False))


def test_depth_is_bounded_without_recursion() -> None:
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 100_000):
        nested = b"[" * depth + b"]" * depth
        extent = Scanner(nested + b",").skip()
        assert (extent.end, extent.deep) == (2 * depth, depth > MAX_DEPTH)


@pytest.mark.parametrize(
    "attack",
    [
        b'{"chats": [' + b"[" * 2_000_000,
        b'{"chats": ["' + b"x" * 2_000_000,
        b'{"chats": ["' + b'\\"' * 1_000_000,
        b'{"chats": [' + b"[" * 100 + b'"' + b"x" * 2_000_000,
        b'{"chats": [' + b'{"a":' * 400_000,
        b'{"chats": [' + b"[]" * 1_000_000,
        b'{"a":' * 400_000,
    ],
)
def test_what_never_ends_is_refused_in_linear_time(attack: bytes) -> None:
    began = time.process_time()
    with pytest.raises(NotJsonError):
        opened(attack)
    assert time.process_time() - began < 2


def test_too_many_chats() -> None:
    with pytest.raises(TooLargeError):
        opened(b'{"chats": [' + b"1," * 200_000 + b"1]}")


def test_raw_store_only_where_it_may_come_from() -> None:
    store = json.dumps(
        {"state": {"chats": [chat("c1")], "config": {"a": 1}, "activeChatId": "c1"}, "version": 0}
    ).encode()

    with opened(store, store=True) as payload:
        assert (payload.received_chats, payload.config) == (1, {"a": 1})
    with pytest.raises(ShapeError):
        opened(store)


def test_chunks_never_split_a_chat_and_hold_all() -> None:
    sent = [chat(f"c{n}", *(message(f"m{m}") for m in range(n))) for n in range(30)]
    sent[3]["messages"].append(message("bad", role="wizard"))
    sent[20]["messages"].append(message("bad", role="wizard"))
    tapped = Tapped()

    spool = Spool(tapped, chunk_messages=50)
    with opened(json.dumps({"chats": sent}).encode(), spool=spool):
        others = spool.chunks[1:]
        assert sum(chunk.chats for chunk in spool.chunks) == 28
        assert sum(chunk.messages for chunk in spool.chunks) == spool.messages == sum(range(30)) - 23
        assert len(others) > 2
        of_chats = [ordinals(spool.chat_lines.pieces(chunk.chats_start, chunk.chats_end)) for chunk in others]
        of_messages = [
            ordinals(spool.message_lines.pieces(chunk.messages_start, chunk.messages_end)) for chunk in others
        ]
    of_chats.insert(0, ordinals(tapped.chat_lines))
    of_messages.insert(0, ordinals(tapped.message_lines) - {3})
    assert sum(map(len, of_chats)) == len(set().union(*of_chats)) == 28
    assert {3, 20}.isdisjoint(set().union(*of_chats))
    # Lines of a bad chat's good messages are among the first chunk's; of a chat without messages there are none.
    assert of_messages == [chats - {0} for chats in of_chats]


def ordinals(pieces: Iterable[bytes]) -> set[int]:
    return {int(line.split(b"\t")[0]) for line in b"".join(pieces).splitlines()}


def test_ids_follow_from_person_chat_and_message() -> None:
    def header(sent: dict[str, Any], user: UUID = USER) -> UUID:
        return read_header(sent, user_id=user).id

    one = header(chat("c1"))
    assert header(chat("c1", title="Other", updatedAt="2026-01-01T00:00:00Z")) == one
    assert header(chat("c1"), UUID(int=1)) != one
    assert header(chat("c2")) != one
    assert header(chat("c1", createdAt="2025-02-03T10:00:00.001Z")) != one
    assert one.version == 7
    rows = list(message_rows([message("m1"), message("m2")], ordinal=0, chat_id=one))
    again = list(message_rows([message("m2"), message("m1")], ordinal=0, chat_id=one))
    assert [row.split(b"\t")[2] for row in rows] == [row.split(b"\t")[2] for row in reversed(again)]


class Tapped:
    """Keeps what a database would take."""

    def __init__(self) -> None:
        self.message_lines: list[bytes] = []
        self.chat_lines: list[bytes] = []

    def messages(self, lines: bytes) -> None:
        self.message_lines.append(lines)

    def chat(self, line: bytes) -> None:
        self.chat_lines.append(line)


def opened(body: bytes, *, spool: Spool | None = None, store: bool = False) -> Payload:
    return Payload(body, user_id=USER, sink=spool or Spool(Tapped()), store=store)
