"""What is sealed opens once, here, and nowhere else."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from dataclasses import replace
from uuid import UUID, uuid4

import orjson
import pytest
from django.core.serializers.json import DjangoJSONEncoder
from hypothesis import given
from hypothesis import strategies as st

from wavelength.envelope import (
    OVERHEAD_BYTES,
    Binding,
    DataKey,
    EnvelopeError,
    KeyRing,
    MissingRingKeyError,
    Secret,
    data_key_id,
    generate_ring_key,
    origin_of,
)

CANARY = "sk-canary-6f1d0a7c9b2e"
BINDING = Binding(
    owner=UUID(int=1),
    column="api_key.envelope",
    row=UUID(int=2),
    provider="openai",
    origin="https://api.openai.com:443",
)
KEY = DataKey(UUID(int=3), bytes(range(32)))
SEALED = KEY.seal(Secret(CANARY), BINDING)

texts = st.text(st.characters(codec="utf-8"), max_size=600)


@given(texts)
def test_what_is_sealed_opens(text: str) -> None:
    sealed = KEY.seal(Secret(text), BINDING)

    assert KEY.open(sealed, BINDING).reveal() == text
    assert len(sealed) == OVERHEAD_BYTES + len(text.encode())
    assert data_key_id(sealed) == KEY.id


def test_sealing_twice_gives_two_envelopes() -> None:
    again = KEY.seal(Secret(CANARY), BINDING)

    assert again[:18] == SEALED[:18]
    assert again[18:] != SEALED[18:]
    assert CANARY.encode() not in SEALED


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_does_not_open(position: int, flip: int) -> None:
    changed = bytearray(SEALED)
    changed[position] ^= flip

    with pytest.raises(EnvelopeError):
        KEY.open(bytes(changed), BINDING)


@given(st.integers(0, len(SEALED) - 1))
def test_a_shortened_envelope_does_not_open(length: int) -> None:
    with pytest.raises(EnvelopeError):
        KEY.open(SEALED[:length], BINDING)


@given(st.binary(min_size=1, max_size=40))
def test_a_lengthened_envelope_does_not_open(more: bytes) -> None:
    with pytest.raises(EnvelopeError):
        KEY.open(SEALED + more, BINDING)


@pytest.mark.parametrize(
    "other",
    [
        replace(BINDING, owner=UUID(int=9)),
        replace(BINDING, owner=None),
        replace(BINDING, column="webhook.secret"),
        replace(BINDING, row=UUID(int=9)),
        replace(BINDING, row=None),
        replace(BINDING, provider="xai"),
        replace(BINDING, provider=""),
        replace(BINDING, origin="https://evil.example:443"),
        replace(BINDING, provider="openaih", origin="ttps://api.openai.com:443"),
    ],
)
def test_an_envelope_opens_for_no_other_binding(other: Binding) -> None:
    with pytest.raises(EnvelopeError):
        KEY.open(SEALED, other)


@given(st.uuids(), st.text(max_size=20), st.uuids(), st.text(max_size=10), st.text(max_size=30))
def test_bindings_authenticate_different_bytes(owner: UUID, column: str, row: UUID, provider: str, origin: str) -> None:
    parts = (owner, column, row, provider, origin)
    try:
        authenticated = Binding(*parts).associated_data(b"header")
    except UnicodeEncodeError:
        return
    assert (authenticated == BINDING.associated_data(b"header")) == (Binding(*parts) == BINDING)


def test_another_data_key_does_not_open() -> None:
    with pytest.raises(EnvelopeError):
        DataKey.generate(uuid4()).open(SEALED, BINDING)
    with pytest.raises(EnvelopeError):
        DataKey.generate(KEY.id).open(SEALED, BINDING)


def test_a_forged_commitment_is_refused_before_decrypting(monkeypatch: pytest.MonkeyPatch) -> None:
    def decrypts(*_: object) -> bytes:
        raise AssertionError("decrypted")

    monkeypatch.setattr("wavelength.envelope.AESGCM", decrypts)
    with pytest.raises(EnvelopeError):
        KEY.open(SEALED[:50] + bytes(32) + SEALED[82:], BINDING)
    with pytest.raises(AssertionError):
        KEY.open(SEALED, BINDING)


@pytest.mark.parametrize(
    "damage",
    [b"", SEALED[:20], bytes([2]) + SEALED[1:], SEALED[:-1]],
    ids=["nothing", "cut in the header", "another version", "cut in the tag"],
)
def test_an_error_carries_no_secret(damage: bytes) -> None:
    with pytest.raises(EnvelopeError) as caught:
        KEY.open(damage, BINDING)

    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_fingerprints_are_equal_for_one_person_only() -> None:
    other = DataKey.generate(uuid4())

    assert KEY.fingerprint(Secret(CANARY)) == KEY.fingerprint(Secret(CANARY))
    assert KEY.fingerprint(Secret(CANARY)) != KEY.fingerprint(Secret(CANARY + "x"))
    assert KEY.fingerprint(Secret(CANARY)) != other.fingerprint(Secret(CANARY))
    assert len(KEY.fingerprint(Secret(CANARY))) == 32


@pytest.mark.parametrize(
    ("text", "hint"),
    [("a" * 16 + "6789", "6789"), ("a" * 15 + "6789", None), ("", None)],
)
def test_the_hint_is_the_last_four_of_a_long_secret(text: str, hint: str | None) -> None:
    assert Secret(text).hint() == hint


def test_a_secret_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    logging.getLogger("test").warning("%s %r", secret, {"key": secret})

    shown = [f"{secret}", f"{secret:>40}", str(secret), repr([secret]), caplog.text]
    assert not any(CANARY in text for text in shown)
    assert "Secret(…)" in caplog.text


def test_a_secret_is_not_serialised() -> None:
    secret = Secret(CANARY)

    for refuse in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, orjson.dumps, hash):
        with pytest.raises(TypeError) as caught:
            refuse(secret)
        assert CANARY not in str(caught.value)
    with pytest.raises(TypeError):
        json.dumps(secret, cls=DjangoJSONEncoder)
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_ring_unwraps_what_it_wrapped() -> None:
    ring = KeyRing.from_hex(generate_ring_key())
    data_key = DataKey.generate(uuid4())

    stored = ring.wrap(data_key, owner=UUID(int=1))

    assert stored.ring_key_id == ring.primary_id
    assert data_key._key not in stored.wrapped
    assert ring.unwrap(stored).open(data_key.seal(Secret("x"), BINDING), BINDING).reveal() == "x"


def test_a_wrapped_key_belongs_to_one_person_and_id() -> None:
    ring = KeyRing.from_hex(generate_ring_key())
    stored = ring.wrap(DataKey.generate(uuid4()), owner=UUID(int=1))

    for other in (
        replace(stored, owner=UUID(int=2)),
        replace(stored, owner=None),
        replace(stored, id=uuid4()),
        replace(stored, wrapped=stored.wrapped[:-1] + bytes([stored.wrapped[-1] ^ 1])),
        replace(stored, wrapped=b"\x02" + stored.wrapped[1:]),
        replace(stored, wrapped=b""),
    ):
        with pytest.raises(EnvelopeError):
            ring.unwrap(other)


def test_an_old_key_still_unwraps_and_the_new_one_wraps() -> None:
    old, new = generate_ring_key(), generate_ring_key()
    stored = KeyRing.from_hex(old).wrap(DataKey.generate(uuid4()), owner=None)
    ring = KeyRing.from_hex(new, [old])

    again = ring.wrap(ring.unwrap(stored), owner=None)

    assert ring.has(stored.ring_key_id)
    assert again.ring_key_id == KeyRing.from_hex(new).primary_id != stored.ring_key_id
    with pytest.raises(MissingRingKeyError, match=stored.ring_key_id):
        KeyRing.from_hex(new).unwrap(stored)


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 31, "ab" * 33, "é" * 64])
def test_a_bad_ring_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        KeyRing.from_hex(text)
    assert not text or text not in str(caught.value)


def test_a_ring_shows_ids_and_no_keys() -> None:
    key = generate_ring_key()
    ring = KeyRing.from_hex(key)

    assert key not in repr(ring)
    assert ring.primary_id in repr(ring)
    assert ring.primary_id not in key


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com:443"),
        ("https://API.OpenAI.com:443/v1/", "https://api.openai.com:443"),
        ("https://api.openai.com:8443", "https://api.openai.com:8443"),
        ("http://127.0.0.1:9/x", "http://127.0.0.1:9"),
        ("", ""),
    ],
)
def test_an_origin_always_names_its_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin
