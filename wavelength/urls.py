"""Every address, in one place; each app's pages stand in its own ``urls.py``."""

from django.contrib import admin
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path

from accounts.pictures import avatar
from accounts.reactivation import account_reactivation
from wavelength.api import api
from wavelength.contract import failure
from wavelength.health import healthz, readyz
from wavelength.metrics import metrics
from wavelength.offline import offline, service_worker
from wavelength.pages import advice_dismissal, advice_return, home
from wavelength.styleguide import styleguide


@non_atomic_requests
def no_such_api(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Unknown addresses under /api, so that none is redirected to one with a slash."""
    return failure(404, "not_found", "There is nothing here.")


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("offline/", offline, name="offline"),
    path("service-worker.js", service_worker, name="service-worker"),
    path("api/auth/", include("accounts.nextauth_urls")),
    path("api/", api.urls),
    re_path(r"^api(?:/(?P<rest>.*))?$", no_such_api),
    path("accounts/reactivate/<str:token>/", account_reactivation, name="account_reactivation"),
    path("accounts/", include("accounts.signin_urls")),
    path("accounts/", include("allauth.urls")),
    path("media/avatars/<uuid:picture>.webp", avatar, name="avatar"),
    path("admin/", admin.site.urls),
    path("styleguide/", styleguide, name="styleguide"),
    path("", home, name="home"),
    path("advice/dismissal/", advice_dismissal, name="advice-dismissal"),
    path("advice/return/", advice_return, name="advice-return"),
    path("", include("accounts.urls")),
    path("keys/", include("apikeys.urls")),
    path("", include("usage.urls")),
    path("", include("chats.urls")),
]

handler500 = "wavelength.refusals.server_error"
handler429 = "accounts.limiting.too_many_tries"  # allauth's name
