"""NextAuth v4's session protocol (API.md, "Session"), so that `next-auth/react` 4.24 works unchanged.

No envelope here, and form bodies are allowed. The rules are those of next-auth's own server
(`core/index.js`, `core/lib/csrf-token.js`), except that nothing is kept in a JWT: the session is ours.
"""

import secrets
from collections.abc import Callable
from http import HTTPStatus

from allauth.account.internal.flows.logout import logout
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import AuthProcess, Provider
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Profile, User
from accounts.social import OAUTH_ADAPTERS, signin_page
from wavelength.addresses import absolute, safe_return
from wavelength.contract import failure, iso
from wavelength.tenancy import nobody, tenant

View = Callable[..., HttpResponseBase]

EMAIL = "email"
TOKEN_BYTES = 32


def _endpoint(view: View) -> View:
    """Every call here: no transaction around it, never cached, Django's CSRF token replaced by NextAuth's."""

    return csrf_exempt(non_atomic_requests(never_cache(view)))


@_endpoint
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> HttpResponse:
    """Who is signed in, or `{}`. A POST is next-auth's `update()`: nothing is taken from it."""
    user = request.user
    if not isinstance(user, User):
        return JsonResponse({})
    return JsonResponse(
        {
            "user": {
                "id": str(user.pk),
                "name": user.name or None,
                "email": user.email,
                "image": _image(request, user),
                "tier": user.tier,
            },
            "expires": iso(request.session.expires),  # type: ignore[attr-defined]  # accounts.sessions
        }
    )


@_endpoint
@require_GET
def csrf(request: HttpRequest) -> HttpResponse:
    """The token that every POST here must repeat, bound to the browser by a cookie."""
    token = _token_of(request)
    if token is not None:
        return JsonResponse({"csrfToken": token})
    token = secrets.token_hex(TOKEN_BYTES)
    response = JsonResponse({"csrfToken": token})
    response.set_cookie(
        _csrf_cookie(),
        f"{token}|{_digest(token)}",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@_endpoint
@require_GET
def providers(request: HttpRequest) -> HttpResponse:
    """The ways to sign in: each configured provider, and by e-mail on the sign-in page."""
    listed = {EMAIL: ("Email", "email")} | {found.id: (found.name, "oauth") for found in configured(request)}
    return JsonResponse(
        {
            id_: {
                "id": id_,
                "name": name,
                "type": type_,
                "signinUrl": absolute(request, reverse("nextauth:signin", args=[id_])),
                "callbackUrl": absolute(request, f"/api/auth/callback/{id_}"),
            }
            for id_, (name, type_) in listed.items()
        }
    )


@_endpoint
@require_http_methods(["GET", "POST"])
def signin(request: HttpRequest, provider: str = "") -> HttpResponse:
    """Begin signing in: to the provider's consent, or to the sign-in page; a GET always to the sign-in page."""
    if request.method == "GET":
        return _signin_page(request)
    if not _token_holds(request):
        return _refused(request)
    return_to = safe_return(request, request.POST.get("callbackUrl", ""))
    if provider == EMAIL:
        return _go(request, absolute(request, signin_page(return_to)))
    found = next((it for it in configured(request) if it.id == provider), None)
    if found is None:
        return _go(request, absolute(request, signin_page(return_to, error="OAuthSignin")))
    # From the adapter again: only there the provider learns our redirect address.
    consent = get_adapter(request).get_provider(request, provider)
    return _go(request, consent.redirect(request, AuthProcess.LOGIN, next_url=return_to)["Location"])


@_endpoint
@require_GET
def error(request: HttpRequest) -> HttpResponse:
    """The sign-in page, which says what went wrong."""
    return _signin_page(request)


@_endpoint
@require_GET
def callback(request: HttpRequest, provider: str) -> HttpResponseBase:
    """The OAuth redirect address: whoever comes back from the provider's consent is signed in."""
    if provider not in {found.id for found in configured(request)}:
        return failure(404, "not_found", "There is nothing here.")
    # Somebody else than the person signed in until now may be coming back.
    with nobody():
        response: HttpResponseBase = OAuth2CallbackView.adapter_view(OAUTH_ADAPTERS[provider])(request)
    return response


@_endpoint
@require_http_methods(["GET", "POST"])
def signout(request: HttpRequest) -> HttpResponse:
    """End the session; a GET leads to the page that asks first."""
    if request.method == "GET":
        return HttpResponseRedirect(absolute(request, reverse("account_logout")))
    if not _token_holds(request):
        return _refused(request)
    return_to = safe_return(request, request.POST.get("callbackUrl", ""))
    logout(request, show_message=False)
    return _go(request, return_to)


@_endpoint
@require_POST
def log(request: HttpRequest) -> HttpResponse:
    """What next-auth's client would like logged: discarded, since anybody may send anything."""
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def configured(request: HttpRequest) -> list[Provider]:
    """The OAuth providers that have credentials."""
    return [found for found in get_adapter(request).list_providers(request) if found.id in OAUTH_ADAPTERS]


def _go(request: HttpRequest, address: str) -> HttpResponse:
    """Send a browser on: as JSON to who asked for that (v4 in the form, v5 in a header), else by redirect."""
    if request.POST.get("json") == "true" or request.headers.get("X-Auth-Return-Redirect"):
        return JsonResponse({"url": address})
    return HttpResponseRedirect(address)


def _signin_page(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("callbackUrl")
    return_to = safe_return(request, asked) if asked else None
    return HttpResponseRedirect(absolute(request, signin_page(return_to, error=request.GET.get("error"))))


def _refused(request: HttpRequest) -> HttpResponse:
    return_to = safe_return(request, request.POST.get("callbackUrl", ""))
    return _go(request, absolute(request, signin_page(return_to, error="MissingCSRF")))


def _csrf_cookie() -> str:
    return "__Host-next-auth.csrf-token" if settings.SESSION_COOKIE_SECURE else "next-auth.csrf-token"


def _token_of(request: HttpRequest) -> str | None:
    """The token in the browser's cookie, if we made it."""
    # NextAuth percent-encodes the bar, we need not; both are read.
    cookie = request.COOKIES.get(_csrf_cookie(), "").replace("%7C", "|")
    token, _, digest = cookie.partition("|")
    return token if token and constant_time_compare(digest, _digest(token)) else None


def _token_holds(request: HttpRequest) -> bool:
    token = _token_of(request)
    return token is not None and constant_time_compare(token, request.POST.get("csrfToken", ""))


def _digest(token: str) -> str:
    return salted_hmac("accounts.nextauth.csrf", token, algorithm="sha256").hexdigest()


def _image(request: HttpRequest, user: User) -> str | None:
    with tenant(user.pk):
        address = Profile.objects.only("avatar").get(user=user).avatar_address
    return absolute(request, address) if address else None
