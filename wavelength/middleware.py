"""What stands around the JSON API, for requests that never reach an operation too."""

from collections.abc import Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, resolve
from django.utils import translation
from django.utils.cache import patch_vary_headers

from wavelength.contract import failure

GetResponse = Callable[[HttpRequest], HttpResponseBase]

MIB = 1024 * 1024
# Bytes a body may have, where it is not DATA_UPLOAD_MAX_MEMORY_SIZE.
BODY_LIMITS = {
    "/api/migration": 100 * MIB,
    "/api/migration/sync": 100 * MIB,
    "/api/usage/sync": 8 * MIB,
    "/api/profile/avatar": 5 * MIB + 64 * 1024,  # the file and its multipart frame
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HTTPS_REQUIRED = ("https_required", "Call this address with https.")
# What is said where Django or a middleware answered with a page of HTML.
SENTENCES = {
    400: ("bad_request", "The request could not be understood."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("body_too_large", "The request is too large. Send less at once."),
    415: ("unsupported_media_type", "Send the body as application/json."),
    429: ("too_many_requests", "Too many requests. Please wait a moment."),
    500: ("internal_error", "Something went wrong on our side. Please try again."),
    503: ("unavailable", "The service is not available just now. Please try again in a moment."),
}


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def is_bearer(request: HttpRequest) -> bool:
    """Whether the request shows a token, which no browser sends on its own, instead of the cookie."""
    # META, here and below: building `request.headers` takes longer than all that is asked of it.
    shown = request.META.get("HTTP_AUTHORIZATION")
    return shown is not None and shown[:7].lower() == "bearer "


def is_page(path: str) -> bool:
    """What a browser shows, or answers with one in mind: all but the calls of the JSON API."""
    return not is_api(path) or path == "/api/docs" or path.startswith("/api/auth/")


class OriginMiddleware(CorsMiddleware):
    """CORS for requests that name an origin; of the others caches must only know that there are such."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_ORIGIN" in request.META:
            return cast("HttpResponseBase", super().__call__(request))
        response = cast("HttpResponseBase", self.get_response(request))
        if is_api(request.path):
            if response.has_header("Vary"):
                patch_vary_headers(response, ["origin"])
            else:
                response["Vary"] = "origin"
        return response


class ApiEnvelopeMiddleware:
    """Every failure under ``/api`` leaves in the envelope; bodies too large or of another kind stop here.

    Outside all but CORS, so that bad hosts, refused redirects and crashes pass through it as well. It also does for
    calls what SecurityMiddleware, further inside, does for pages; Referrer-Policy and Cross-Origin-Opener-Policy only
    mean something to a document.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._https_only = settings.SECURE_SSL_REDIRECT
        self._hsts = f"max-age={settings.SECURE_HSTS_SECONDS}" if settings.SECURE_HSTS_SECONDS else ""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_api(request.path):
            return self.get_response(request)
        response = self._refusal(request) or self._enveloped(self.get_response(request))
        if not is_page(request.path):
            self._finish(request, response)
        return response

    def _finish(self, request: HttpRequest, response: HttpResponseBase) -> None:
        headers = response.headers
        headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Cache-Control", "no-store")
        if self._hsts and request.is_secure():
            headers["Strict-Transport-Security"] = self._hsts
        if isinstance(response, HttpResponse):
            headers.setdefault("Content-Length", str(len(response.content)))

    def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        if self._https_only and not request.is_secure():
            return failure(403, *HTTPS_REQUIRED)
        length = _content_length(request)
        if length is None:
            return failure(400, "bad_request", "Content-Length must be a number.")
        limit = BODY_LIMITS.get(request.path, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        if length > limit:
            return failure(413, *SENTENCES[413])
        if length and request.content_type != _expected_type(request):
            return failure(415, *SENTENCES[415])
        return None

    def _enveloped(self, response: HttpResponseBase) -> HttpResponseBase:
        status = response.status_code
        if status == HTTPStatus.MOVED_PERMANENTLY:
            return failure(403, *HTTPS_REQUIRED)
        if status < 400 or response.get("Content-Type", "").startswith("application/json"):
            return response
        code, sentence = SENTENCES.get(status, (f"http_{status}", "The request could not be served."))
        answer = failure(status, code, sentence)
        for name, value in response.items():
            if not name.startswith("Content-"):
                answer[name] = value
        answer.cookies = response.cookies
        return answer


class CrossOriginMiddleware:
    """Refuse what another site makes a browser send, by Fetch Metadata (DESIGN.md §9).

    The web client has no CSRF token; ``/api/auth/`` has NextAuth's own, and a Bearer token is sent
    by no browser on its own.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if (
            request.method not in SAFE_METHODS
            and is_api(request.path)
            and not request.path.startswith("/api/auth/")
            and not is_bearer(request)
            and not _same_site(request)
        ):
            return failure(403, "cross_origin", "This request came from another site and was refused.")
        return self.get_response(request)


class ApiMiddleware:
    """Answers the calls of the JSON API, as WhiteNoise answers files: what follows in MIDDLEWARE is for pages.

    No transaction is opened around them, whatever ATOMIC_REQUESTS says: ninja turns exceptions into responses inside
    the view, so it would commit what came before a 400. Each domain function owns its transaction.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._sessions = SessionMiddleware(get_response)
        self._matches: dict[str, ResolverMatch] = {}
        self._host: str | None = ""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_page(request.path):
            return self.get_response(request)
        # A page before it on this thread may have spoken another language.
        translation.deactivate()
        self._check_host(request)
        match = self._matches.get(request.path_info) or self._resolved(request.path_info)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if hasattr(request, "session"):
            # Opened by `person_of`, for an operation that asked it; what it changed is kept, as for pages.
            return self._sessions.process_response(request, cast("HttpResponse", response))
        return response

    def _check_host(self, request: HttpRequest) -> None:
        """Raise DisallowedHost, answered as 400, unless we serve the host asked for."""
        host = request.META.get("HTTP_HOST")
        # Nearly all ask for the same.
        if host != self._host:
            request.get_host()
            self._host = host

    def _resolved(self, path: str) -> ResolverMatch:
        match = resolve(path)
        if not match.args and not match.kwargs:
            # Of addresses without a parameter there are only so many.
            self._matches[path] = match
        return match


class PermissionsPolicyMiddleware:
    """Tells browsers which of a device's features a page may ask for (settings.PERMISSIONS_POLICY)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return response


def _same_site(request: HttpRequest) -> bool:
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and (origin in settings.TRUSTED_ORIGINS or origin == _own_origin(request)):
        return True
    fetch_site = request.META.get("HTTP_SEC_FETCH_SITE")
    if fetch_site is None:
        return origin is None
    return fetch_site in ("same-origin", "none")


def _own_origin(request: HttpRequest) -> str:
    site = urlsplit(settings.SITE_URL)
    if site.netloc == request.get_host():
        return f"{site.scheme}://{site.netloc}"
    return f"{request.scheme}://{request.get_host()}"


def _content_length(request: HttpRequest) -> int | None:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return None


def _expected_type(request: HttpRequest) -> str | None:
    if request.path == "/api/profile/avatar":
        return "multipart/form-data"
    if request.path.startswith("/api/auth/"):
        return request.content_type
    return "application/json"
