"""What gunicorn serves; refuses to start where the database could not keep people apart."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wavelength.settings")
_serve = get_wsgi_application()

# They need the applications loaded.
from django.core.cache import close_caches  # noqa: E402
from django.core.handlers.base import reset_urlconf  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from django.db import close_old_connections, reset_queries  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from wavelength.startup import refuse_unsafe  # noqa: E402
from wavelength.tenancy import forget_tenant  # noqa: E402
from wavelength.tenancy.base import look_after_connections  # noqa: E402

refuse_unsafe(patient="WEB_REPLACEMENT" in os.environ)
# Every view and operation is loaded now: else the first request would wait for it, after each start.
get_resolver().url_patterns  # noqa: B018
# The end of each request looks after the connections already, and queries are kept for DEBUG alone.
request_started.disconnect(close_old_connections)
request_started.disconnect(reset_queries)
# Three receivers took a third of all that Django does for a call. Caches here keep nothing open for a request, each
# request names its addresses anew, and only connections that a thread has opened need looking after.
request_finished.disconnect(close_caches)
request_finished.disconnect(reset_urlconf)
request_finished.disconnect(close_old_connections)
request_finished.connect(look_after_connections)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve one request, beginning with nobody on a thread that served others before."""
    forget_tenant()
    return _serve(environ, start_response)
