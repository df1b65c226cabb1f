"""The service's addresses, and `/failing/` as a page and as a call."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.failing.faults import fail
from wavelength import urls

handler500 = urls.handler500


@csrf_exempt
def failing(request: HttpRequest) -> HttpResponse:
    """Reads what it was sent, and fails."""
    body = request.body
    fail()
    return HttpResponse(body)


urlpatterns = [path("failing/", failing), path("api/failing", failing), *urls.urlpatterns]
