"""Whether this process can serve."""

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
@non_atomic_requests
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as soon as the process answers; asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain")
