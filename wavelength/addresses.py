"""Absolute addresses, as a browser outside sees them, and the network address that it has itself."""

from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def public_origin(request: HttpRequest) -> str:
    """The origin under which this request's browser knows us, such as ``https://account.example.com``.

    The forwarded host, when a listed origin has it (the web client passing on what its own browser
    asked); else SITE_URL; else, where none is set, the host asked for.
    """
    host = _first_of(request, "HTTP_X_FORWARDED_HOST")
    forwarded = [origin for origin in settings.TRUSTED_ORIGINS if urlsplit(origin).netloc == host] if host else []
    if forwarded:
        exact = f"{_first_of(request, 'HTTP_X_FORWARDED_PROTO')}://{host}"
        return exact if exact in forwarded else str(forwarded[0])
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"


def absolute(request: HttpRequest, address: str) -> str:
    """A path of ours on the public origin; an address that is already absolute stays as it is."""
    return address if urlsplit(address).scheme else public_origin(request) + address


def _first_of(request: HttpRequest, header: str) -> str:
    first: str = request.META.get(header, "").partition(",")[0].strip().lower()
    return first


def safe_return(request: HttpRequest, address: str) -> str:
    """Where to send a person back to, absolute: this site or an origin in TRUSTED_ORIGINS, else ``/`` of this site."""
    here = public_origin(request)
    allowed = {here, settings.SITE_URL, *settings.TRUSTED_ORIGINS} - {""}
    if url_has_allowed_host_and_scheme(address, {urlsplit(origin).netloc for origin in allowed}):
        target = absolute(request, address)
        parts = urlsplit(target)
        if f"{parts.scheme}://{parts.netloc}" in allowed:
            return target
    return f"{here}/"


def client_address(request: HttpRequest) -> str:
    """The network address of whoever asks; empty where the server knows none (a Unix socket).

    Behind proxies (BEHIND_PROXY) it is the last address in X-Forwarded-For that is none of FORWARDED_ALLOW_IPS, or,
    where TRUSTED_PROXIES says how many stand in a row, the one that the outermost of these wrote: what stands before
    it, the caller may have written.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    if not settings.BEHIND_PROXY:
        return address
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    believed = not address or "*" in settings.FORWARDED_ALLOW_IPS or _is_proxy(address)
    if believed and settings.TRUSTED_PROXIES:
        # Fewer than there are proxies: somebody came past the outer ones, and the first is what an inner one wrote.
        return _bare(hops[-min(len(hops), settings.TRUSTED_PROXIES)]) or address
    while believed and hops and (hop := _bare(hops.pop())):
        address, believed = hop, _is_proxy(hop)
    return address


def network_of(address: str) -> str:
    """What counts as one address: a home has one of IPv4, and 2⁶⁴ of IPv6 (RFC 6177). Empty when there is none."""
    try:
        known = ip_address(address)
    except ValueError:
        # A server behind a Unix socket knows none: then all who come through it are one.
        return ""
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or ip_network((known.packed, 64), strict=False))
    return str(known)


def _bare(hop: str) -> str:
    """An address without the port that some proxies add (192.0.2.1:4711, [2001:db8::1]:4711); empty if it is none."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _is_proxy(address: str) -> bool:
    proxies = [ip_network(proxy, strict=False) for proxy in settings.FORWARDED_ALLOW_IPS if proxy != "*"]
    return any(ip_address(address) in proxy for proxy in proxies)
