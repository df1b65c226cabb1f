"""What a browser shows of the portal without a connection: one page, kept by a service worker, that says what to do.

The worker keeps nothing else: no page of a person ever stands in a browser's cache (accounts/shell.py).
"""

from hashlib import sha256
from typing import Final

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

LOOKS: Final = ("css/tokens.css", "css/base.css", "css/layout.css", "css/forms.css", "css/components.css")
LOOKS_ALSO: Final = ("css/overlays.css", "css/pages.css", "fonts/inter-latin.woff2", "img/mark.svg", "img/icons.svg")


@require_safe
@non_atomic_requests
def offline(request: HttpRequest) -> HttpResponse:
    """The page itself, the same for everybody."""
    return HttpResponse(render_to_string("offline.html"))


@require_safe
@non_atomic_requests
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """The worker, at the root so that it serves every address of the portal."""
    files = [static(path) for path in (*LOOKS, *LOOKS_ALSO)]
    page = render_to_string("offline.html")
    version = sha256("\n".join([page, *files]).encode()).hexdigest()[:12]
    context = {"version": version, "files": files}
    return render(request, "service-worker.js", context, content_type="text/javascript")
