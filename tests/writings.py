"""The forms in which a secret may stand somewhere: looking for the plain text alone would miss the others."""

import base64
from collections.abc import Iterator


def writings(secret: str) -> Iterator[bytes]:
    """The secret as it is, in UTF-16, hex, percent-encoding and both kinds of base64."""
    plain = secret.encode()
    yield plain
    yield secret.encode("utf-16-le")
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield "".join(f"%{byte:02X}" for byte in plain).encode()
    # In base64 what stands before shifts it: the middle of each of the three.
    for shift in range(3):
        encoded = base64.b64encode(b" " * shift + plain)[4:-4]
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))
