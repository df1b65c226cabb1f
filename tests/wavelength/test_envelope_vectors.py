"""The primitives against published vectors, and our own envelope against one kept for ever."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wavelength import envelope
from wavelength.envelope import Binding, DataKey, KeyRing, Secret, WrappedKey

VECTORS = Path(__file__).parent.parent / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def cases(name: str) -> list[Any]:
    return [pytest.param(test, id=str(test["tcId"])) for test in load(name)["tests"]]


@pytest.mark.parametrize("case", cases("wycheproof_aes_256_gcm.json"))
def test_aes_256_gcm_agrees_with_wycheproof(case: dict[str, str]) -> None:
    cipher = AESGCM(bytes.fromhex(case["key"]))
    nonce, aad = bytes.fromhex(case["iv"]), bytes.fromhex(case["aad"])
    plaintext = bytes.fromhex(case["msg"])
    sealed = bytes.fromhex(case["ct"] + case["tag"])

    if case["result"] == "valid":
        assert cipher.encrypt(nonce, plaintext, aad) == sealed
        assert cipher.decrypt(nonce, sealed, aad) == plaintext
    else:
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, sealed, aad)


@pytest.mark.parametrize("case", cases("wycheproof_hkdf_sha512.json"))
def test_hkdf_sha512_agrees_with_wycheproof(case: dict[str, Any]) -> None:
    key, salt, info = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info"))

    if case["result"] == "valid":
        assert envelope._hkdf(key, salt, info, case["size"]).hex() == case["okm"]
    else:
        with pytest.raises(ValueError, match="larger than"):
            envelope._hkdf(key, salt, info, case["size"])


@pytest.mark.parametrize("case", cases("wycheproof_hmac_sha256.json"))
def test_hmac_sha256_agrees_with_wycheproof(case: dict[str, str]) -> None:
    tag = hmac.digest(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]), hashlib.sha256)

    assert (tag.hex() == case["tag"]) == (case["result"] == "valid")


@pytest.mark.parametrize("case", cases("rfc4231_hmac_sha256.json"))
def test_hmac_sha256_agrees_with_rfc_4231(case: dict[str, str]) -> None:
    tag = hmac.digest(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]), hashlib.sha256)

    assert tag.hex()[: len(case["tag"])] == case["tag"]


def test_an_old_envelope_still_opens() -> None:
    kept = load("envelope.json")
    owner = UUID(kept["owner"])
    ring = KeyRing.from_hex(kept["ring_key"])
    wrapped = bytes.fromhex(kept["wrapped_data_key"])
    stored = WrappedKey(UUID(kept["data_key_id"]), owner, kept["ring_key_id"], wrapped)
    binding = Binding(owner, kept["column"], UUID(kept["row"]), kept["provider"], envelope.origin_of(kept["url"]))

    data_key = ring.unwrap(stored)

    assert ring.primary_id == kept["ring_key_id"]
    assert data_key.open(bytes.fromhex(kept["envelope"]), binding).reveal() == kept["secret"]
    assert data_key.fingerprint(Secret(kept["secret"])).hex() == kept["fingerprint"]


def test_a_new_envelope_is_laid_out_as_the_kept_one() -> None:
    kept = load("envelope.json")
    data_key = DataKey(UUID(kept["data_key_id"]), bytes.fromhex(kept["data_key"]))
    sealed = bytes.fromhex(kept["envelope"])
    binding = Binding(
        UUID(kept["owner"]),
        kept["column"],
        UUID(kept["row"]),
        kept["provider"],
        envelope.origin_of(kept["url"]),
    )

    again = data_key._seal(Secret(kept["secret"]), binding, sealed[18:50], sealed[82:94])

    assert again == sealed
