"""The real application with four addresses more, which ask for every profile there is and leave it to the policies
who is seen. The product's own calls name their person in the query, so that a leak would not show in them."""

# First, because it loads the applications, which everything below needs.
from wavelength.wsgi import application

# isort: split
import json
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.urls import path

from accounts.models import Profile, User
from wavelength.tenancy import tenant
from wavelength.urls import urlpatterns as real

__all__ = ["application", "urlpatterns"]


def seen() -> HttpResponse:
    rows = Profile.objects.values_list("user_id", "bio")
    return HttpResponse(json.dumps([[str(user_id), bio] for user_id, bio in rows]), content_type="application/json")


def in_the_requests_transaction(request: HttpRequest) -> HttpResponse:
    return seen()


@non_atomic_requests
def in_no_transaction(request: HttpRequest) -> HttpResponse:
    return seen()


@non_atomic_requests
def in_a_tenant(request: HttpRequest) -> HttpResponse:
    with tenant(_asking(request)):
        return seen()


@non_atomic_requests
def after_errors(request: HttpRequest) -> HttpResponse:
    try:
        with tenant(_asking(request)):
            _fail_in_a_savepoint()
            Profile.objects.update(bio="undone")
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
    except DatabaseError:
        pass
    with tenant(_asking(request)):
        _fail_in_a_savepoint()
        return seen()


def _asking(request: HttpRequest) -> UUID:
    assert isinstance(request.user, User)
    return request.user.pk


def _fail_in_a_savepoint() -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
    except DatabaseError:
        pass


urlpatterns = [
    path("probe/request", in_the_requests_transaction),
    path("probe/bare", in_no_transaction),
    path("probe/tenant", in_a_tenant),
    path("probe/errors", after_errors),
    *real,
]
settings.ROOT_URLCONF = __name__
