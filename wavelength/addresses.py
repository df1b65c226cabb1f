"""Absolute addresses, as a browser outside sees them."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def public_origin(request: HttpRequest) -> str:
    """The origin under which this request's browser knows us, such as ``https://account.example.com``.

    The forwarded host, when a listed origin has it (the web client passing on what its own browser
    asked); else SITE_URL; else, where none is set, the host asked for.
    """
    host = request.headers.get("X-Forwarded-Host", "").partition(",")[0].strip().lower()
    scheme = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    forwarded = [origin for origin in settings.TRUSTED_ORIGINS if host and urlsplit(origin).netloc == host]
    if forwarded:
        exact = f"{scheme}://{host}"
        return exact if exact in forwarded else str(forwarded[0])
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"


def absolute(request: HttpRequest, address: str) -> str:
    """A path of ours on the public origin; an address that is already absolute stays as it is."""
    return address if urlsplit(address).scheme else public_origin(request) + address


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
