"""Which network addresses are not the public internet's: one explicit list.

From IANA's special-purpose registries for IPv4 and IPv6, and from its table of the IPv6 space, whose blocks outside
2000::/3 are unassigned. It stands here and is not asked of `ipaddress`, because what that calls global changes with
Python's version. Ways of writing an IPv4 address inside an IPv6 one are refused whatever they hold.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

SPECIAL: Final[dict[str, tuple[str, ...]]] = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "carrier-grade NAT": ("100.64.0.0/10",),
    "unique-local": ("fc00::/7",),
    "this network": ("0.0.0.0/8", "::/128"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "site-local": ("fec0::/10",),
    "protocol assignments": ("192.0.0.0/24", "2001::/23"),
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    "benchmarking": ("198.18.0.0/15", "2001:2::/48"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "broadcast": ("255.255.255.255/32",),
    "6to4": ("192.88.99.0/24", "2002::/16"),
    "Teredo": ("2001::/32",),
    "NAT64": ("64:ff9b::/96", "64:ff9b:1::/48"),
    "IPv4-mapped": ("::ffff:0:0/96",),
    "IPv4-translated": ("::ffff:0:0:0/96",),
    "IPv4-compatible": ("::/96",),
    "segment routing": ("5f00::/16",),
    "discard": ("100::/64",),
    "reserved": (
        "240.0.0.0/4",
        "::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4",
        "4000::/3", "6000::/3", "8000::/3", "a000::/3", "c000::/3",
        "e000::/4", "f000::/5", "f800::/6", "fe00::/9",
    ),
}  # fmt: skip

_INSIDE: Final = ("loopback", "private", "carrier-grade NAT", "unique-local")
_NETWORKS: Final = [(kind, ip_network(block)) for kind, blocks in SPECIAL.items() for block in blocks]


class Reach(Enum):
    """How far a call may lead: the internet alone; also this machine and private networks; anywhere at all.

    `INSIDE` is for development, `ANYWHERE` for addresses that stand in the settings.
    """

    PUBLIC = "public"
    INSIDE = "inside"
    ANYWHERE = "anywhere"

    def allows(self, address: IPv4Address | IPv6Address) -> bool:
        """Tell whether an address may be called."""
        if self is Reach.ANYWHERE:
            return True
        kind = special_kind(address)
        return kind is None or (self is Reach.INSIDE and kind in _INSIDE)


def special_kind(address: IPv4Address | IPv6Address) -> str | None:
    """Answer the first kind of SPECIAL that an address is of, None for one of the public internet's."""
    for kind, network in _NETWORKS:
        if address.version == network.version and address in network:
            return kind
    return None
