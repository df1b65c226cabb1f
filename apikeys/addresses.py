"""Where a key may be sent: the rules for a base URL that a person gives, and its resolution.

The host is resolved here, checked, and then connected to by the checked address, so that a second
answer from the name service cannot lead elsewhere.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apikeys.providers import KeyRefusedError

URL_LENGTH = 500
_PORTS = {"http": 80, "https": 443}


class UnreachableError(Exception):
    """A base URL leads nowhere a key may be sent; its text is a sentence."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A base URL with the addresses its host had when it was checked."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]


def clean_base_url(text: str) -> str:
    """Answer a base URL as it is stored, without a slash at its end; empty stays empty.

    Raises KeyRefusedError unless it is https (or http to this machine, when the settings allow private
    addresses), without user name, query or fragment, and not the literal of a private address.
    """
    text = text.strip().rstrip("/")
    if not text:
        return ""
    parts = _split(text)
    if parts is None or len(text) > URL_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise _refused(_("The base URL is not an address such as https://llm.example.com/v1."))
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in text or "#" in text:
        raise _refused(_("The base URL must not hold a user name, a query or a fragment."))
    literal = _literal(parts.hostname or "")
    loopback = parts.hostname == "localhost" or (literal is not None and literal.is_loopback)
    if parts.scheme != "https" and not (loopback and _private_allowed()):
        raise _refused(_("The base URL must begin with https://."))
    if (loopback or (literal and not is_public(literal))) and not _private_allowed():
        raise _refused(_("The base URL leads to a private address."))
    return text


def resolve(url: str, *, trusted: bool) -> Destination:
    """Look up a base URL's host.

    A trusted one (from the settings) may be private; one that a person gave may not. Raises
    UnreachableError when it has no address or any of them is private.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnreachableError(gettext_noop("Its address could not be found. Check the base URL.")) from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not trusted and not _private_allowed() and not all(is_public(ip_address(a)) for a in addresses):
        raise UnreachableError(gettext_noop("The base URL leads to a private address."))
    return Destination(url, host, port, addresses)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of the public internet's, seen through IPv6's ways to write IPv4."""
    if isinstance(address, IPv6Address):
        # Mapped (::ffff:0:0/96), 6to4 (2002::/16), NAT64 (64:ff9b::/96, RFC 6052).
        inner = address.ipv4_mapped or address.sixtofour
        if address.packed[:12] == bytes.fromhex("0064ff9b") + bytes(8):
            inner = IPv4Address(address.packed[12:])
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0:
            return None
    except ValueError:
        return None
    return parts


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _private_allowed() -> bool:
    return bool(settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES)


def _refused(sentence: str) -> KeyRefusedError:
    return KeyRefusedError("base_url", "invalid_base_url", sentence)
