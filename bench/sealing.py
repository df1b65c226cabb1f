"""A provider key into its envelope and out again, beside the bare cipher."""

import secrets
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measuring import Row, Sample
from bench.stage import Stage
from wavelength.envelope import Binding, DataKey, Secret

LENGTH = 164  # bytes; what OpenAI's project keys have
TIMES = 5_000


def measure(stage: Stage) -> Iterator[Sample]:
    """Both sides draw a fresh nonce each time; ours also a salt and a subkey, and it checks a commitment."""
    text = secrets.token_urlsafe(LENGTH)[:LENGTH]
    data_key = DataKey.generate(uuid4())
    binding = Binding(uuid4(), "apikeys_apikey.secret", uuid4(), "openai", "https://api.openai.com")
    cipher = AESGCM(secrets.token_bytes(32))

    def ours() -> None:
        data_key.open(data_key.seal(Secret(text), binding), binding).reveal()

    def bare() -> None:
        nonce = secrets.token_bytes(12)
        cipher.decrypt(nonce, cipher.encrypt(nonce, text.encode(), None), None).decode()

    while True:
        yield Sample(_microseconds(ours), _microseconds(bare))


def _microseconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    for _ in range(TIMES):
        work()
    return (time.perf_counter() - began) / TIMES * 1e6


ROW = Row(
    name="envelope",
    subject=f"seal + open of {LENGTH} bytes",
    reference="AES-256-GCM of the same bytes, key set up once",
    unit="µs",
    measure=measure,
)
