"""Authenticated encryption of secrets and the ring of keys it hangs from. Knows no model.

Ring key (from the environment) → one random data key per person, wrapped → a fresh subkey per
secret, by HKDF-SHA512 (RFC 5869) → AES-256-GCM (NIST SP 800-38D). AES-GCM alone does not commit
to its key, so every envelope carries a commitment that is checked before anything is decrypted.

    envelope = version | suite | data key id | salt | commitment | nonce | ciphertext + tag
    bytes         1        1         16         32        32        12        n + 16
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, Self
from urllib.parse import urlsplit
from uuid import UUID
from weakref import WeakValueDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = 1
AES_256_GCM_HKDF_SHA512: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 2 + 16
OVERHEAD_BYTES: Final = HEADER_BYTES + SALT_BYTES + COMMITMENT_BYTES + NONCE_BYTES + TAG_BYTES
HINT_LENGTH: Final = 4
HINT_FROM_LENGTH: Final = 20
SHORTEST_LIVE: Final = 8  # characters; what is shorter is no key, and stands in words

_NO_SALT: Final = bytes(SALT_BYTES)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class EnvelopeError(Exception):
    """Something sealed does not open, or a key is missing. Its text never holds a secret."""


class MissingRingKeyError(EnvelopeError):
    """A data key is wrapped with a ring key that is not configured."""


class Secret:
    """A text that shows itself only through `reveal()`: not in logs, templates, pickles or JSON."""

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        _live[id(self)] = self

    def reveal(self) -> str:
        """Answer the plain text. Call it where it is used, and keep the result in no attribute."""
        return self._text

    def hint(self) -> str | None:
        """Answer the last four characters, or None below 20, where they would tell too much."""
        return self._text[-HINT_LENGTH:] if len(self._text) >= HINT_FROM_LENGTH else None

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(*(text.encode(errors="surrogatepass") for text in (self._text, other._text)))

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of a set or a cache

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret is neither pickled nor copied.")


# Every secret that exists in this process, for as long as it does.
_live: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def live_secrets() -> list[str]:
    """The plain texts that must appear nowhere now: for the filter of the logs, and for nothing else."""
    return [secret.reveal() for secret in list(_live.values()) if len(secret.reveal()) >= SHORTEST_LIVE]


@dataclass(frozen=True, slots=True)
class Binding:
    """What an envelope belongs to. It opens nowhere else: not in another row, person or address.

    `owner` is None for the system's own secrets. `column` is written `table.column`. `origin` is
    `origin_of()` the address the secret may be sent to, empty when it is sent nowhere.
    """

    owner: UUID | None
    column: str
    row: UUID | None = None
    provider: str = ""
    origin: str = ""

    def associated_data(self, header: bytes) -> bytes:
        """Answer the bytes that the envelope authenticates, each part prefixed by its length."""
        return _length_prefixed(
            header,
            _uuid_bytes(self.owner),
            self.column.encode(),
            _uuid_bytes(self.row),
            self.provider.encode(),
            self.origin.encode(),
        )


class DataKey:
    """One person's key (or the system's), unwrapped. Seals, opens and fingerprints secrets."""

    __slots__ = ("_key", "id")

    def __init__(self, key_id: UUID, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise EnvelopeError("A data key has 32 bytes.")
        self.id: Final = key_id
        self._key: Final = key

    @classmethod
    def generate(cls, key_id: UUID) -> Self:
        """Make a new random key under this id."""
        return cls(key_id, secrets.token_bytes(KEY_BYTES))

    def seal(self, secret: Secret, binding: Binding) -> bytes:
        """Encrypt a secret so that it opens only with this key and this binding."""
        return self._seal(secret, binding, secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES))

    def open(self, envelope: bytes, binding: Binding) -> Secret:
        """Decrypt an envelope.

        Raises EnvelopeError when it was sealed with another key or for another binding, and when
        any byte of it was changed.
        """
        header, salt, commitment, nonce, ciphertext = _parts(envelope)
        if header != self._header():
            raise EnvelopeError("The envelope names another data key, version or suite.")
        associated_data = binding.associated_data(header)
        key, expected = self._derive(salt, associated_data)
        if not hmac.compare_digest(commitment, expected):
            raise EnvelopeError("The envelope does not belong here.")
        try:
            plaintext = AESGCM(key).decrypt(nonce, ciphertext, associated_data)
        except InvalidTag:
            raise EnvelopeError("The envelope was changed.") from None
        return Secret(plaintext.decode())

    def fingerprint(self, secret: Secret) -> bytes:
        """Answer 32 bytes that are equal for equal secrets of one person, and link nobody else's."""
        key = _hkdf(self._key, _NO_SALT, b"wavelength fingerprint 1", KEY_BYTES)
        return hmac.digest(key, secret.reveal().encode(), hashlib.sha256)

    def encrypted(self, cipher: AESGCM, nonce: bytes, associated_data: bytes) -> bytes:
        """Answer the key itself under another key's cipher, for a KeyWrapper."""
        return cipher.encrypt(nonce, self._key, associated_data)

    def _seal(self, secret: Secret, binding: Binding, salt: bytes, nonce: bytes) -> bytes:
        header = self._header()
        associated_data = binding.associated_data(header)
        key, commitment = self._derive(salt, associated_data)
        plaintext = secret.reveal().encode()
        return b"".join(
            (
                header,
                salt,
                commitment,
                nonce,
                AESGCM(key).encrypt(nonce, plaintext, associated_data),
            )
        )

    def _header(self) -> bytes:
        return bytes((VERSION, AES_256_GCM_HKDF_SHA512)) + self.id.bytes

    def _derive(self, salt: bytes, associated_data: bytes) -> tuple[bytes, bytes]:
        derived = _hkdf(self._key, salt, associated_data, KEY_BYTES + COMMITMENT_BYTES)
        return derived[:KEY_BYTES], derived[KEY_BYTES:]

    def __repr__(self) -> str:
        return f"DataKey({self.id}, …)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A data key is neither pickled nor copied.")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored: encrypted, and the id of the ring key that opens it."""

    id: UUID
    owner: UUID | None
    ring_key_id: str
    wrapped: bytes


class KeyWrapper(Protocol):
    """What wraps data keys: the key ring here; a cloud's key service could stand in its place."""

    @property
    def primary_id(self) -> str:
        """Answer the id under which new data keys are wrapped."""

    def has(self, ring_key_id: str) -> bool:
        """Tell whether data keys wrapped under this id can be opened."""

    def wrap(self, data_key: DataKey, *, owner: UUID | None) -> WrappedKey:
        """Encrypt a data key under the primary key."""

    def unwrap(self, stored: WrappedKey) -> DataKey:
        """Decrypt a data key. Raises EnvelopeError when it can't."""


class KeyRing:
    """Key-encryption keys held in memory: one primary, and old ones that only unwrap."""

    def __init__(self, primary: bytes, old: Iterable[bytes] = ()) -> None:
        self._primary = _RingKey(primary)
        self._keys = {key.id: key for key in (*map(_RingKey, old), self._primary)}

    @classmethod
    def from_hex(cls, primary: str, old: Iterable[str] = ()) -> Self:
        """Read the ring as the environment holds it: 64 hex characters a key."""
        return cls(_key_from_hex(primary), [_key_from_hex(key) for key in old])

    @property
    def primary_id(self) -> str:
        """Answer the id of the key that wraps new data keys."""
        return self._primary.id

    def has(self, ring_key_id: str) -> bool:
        """Tell whether the ring holds this key."""
        return ring_key_id in self._keys

    def wrap(self, data_key: DataKey, *, owner: UUID | None) -> WrappedKey:
        """Encrypt a data key under the primary key, for this person alone."""
        return self._primary.wrap(data_key, owner)

    def unwrap(self, stored: WrappedKey) -> DataKey:
        """Decrypt a data key.

        Raises MissingRingKeyError when the ring lacks its key, and EnvelopeError when the bytes
        were changed or belong to another person.
        """
        key = self._keys.get(stored.ring_key_id)
        if key is None:
            raise MissingRingKeyError(
                f"The ring key {stored.ring_key_id} is not configured. Add it to API_KEY_ENCRYPTION_OLD_KEYS."
            )
        return key.unwrap(stored)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A key ring is neither pickled nor copied.")


class _RingKey:
    """One key-encryption key. Its id and its wrapping key are derived from it, separately."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise EnvelopeError("A ring key has 32 bytes, written as 64 hex characters.")
        self.id: Final = _hkdf(key, _NO_SALT, b"wavelength ring key id 1", 8).hex()
        self._cipher = AESGCM(_hkdf(key, _NO_SALT, b"wavelength key wrapping 1", KEY_BYTES))

    def wrap(self, data_key: DataKey, owner: UUID | None) -> WrappedKey:
        nonce = secrets.token_bytes(NONCE_BYTES)
        associated_data = self._associated_data(data_key.id, owner)
        ciphertext = data_key.encrypted(self._cipher, nonce, associated_data)
        return WrappedKey(data_key.id, owner, self.id, bytes((VERSION,)) + nonce + ciphertext)

    def unwrap(self, stored: WrappedKey) -> DataKey:
        if stored.wrapped[:1] != bytes((VERSION,)):
            raise EnvelopeError("The wrapped data key has an unknown version.")
        nonce, ciphertext = stored.wrapped[1 : 1 + NONCE_BYTES], stored.wrapped[1 + NONCE_BYTES :]
        if len(ciphertext) != KEY_BYTES + TAG_BYTES:
            raise EnvelopeError("The wrapped data key has another length.")
        associated_data = self._associated_data(stored.id, stored.owner)
        try:
            return DataKey(stored.id, self._cipher.decrypt(nonce, ciphertext, associated_data))
        except InvalidTag:
            raise EnvelopeError("The wrapped data key does not open.") from None

    def _associated_data(self, key_id: UUID, owner: UUID | None) -> bytes:
        return _length_prefixed(b"wavelength data key", bytes((VERSION,)), _uuid_bytes(owner), key_id.bytes)


def data_key_id(envelope: bytes) -> UUID:
    """Answer which data key sealed an envelope. Raises EnvelopeError when it is none."""
    header = _parts(envelope)[0]
    return UUID(bytes=header[2:])


def origin_of(url: str) -> str:
    """Answer `scheme://host:port` (RFC 6454), always with the port; empty for an empty URL."""
    if not url:
        return ""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def generate_ring_key() -> str:
    """Make a new ring key, as the environment holds it: 64 hex characters."""
    return secrets.token_hex(KEY_BYTES)


def _key_from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise EnvelopeError("A ring key is 64 hex characters.") from None


def _parts(envelope: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    if len(envelope) < OVERHEAD_BYTES:
        raise EnvelopeError("The envelope is too short.")
    salt = HEADER_BYTES
    commitment = salt + SALT_BYTES
    nonce = commitment + COMMITMENT_BYTES
    ciphertext = nonce + NONCE_BYTES
    return (
        envelope[:salt],
        envelope[salt:commitment],
        envelope[commitment:nonce],
        envelope[nonce:ciphertext],
        envelope[ciphertext:],
    )


def _hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA512(), length=length, salt=salt, info=info).derive(key)


def _length_prefixed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _uuid_bytes(value: UUID | None) -> bytes:
    return b"" if value is None else value.bytes
