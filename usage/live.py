"""Open pages that follow their person's usage: the stream of versions, and the version now."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.sessions import signed_in_sessions
from wavelength.live import Hub, Sight, stream_response


def versions_of(people: Sequence[UUID]) -> dict[UUID, str]:
    """A short text for each person, another one whenever their usage, reservations or overall limits changed.

    It begins with what tells the person from another who signs in with the same browser.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT person, version FROM live_versions(%s)", [list(people)])
        return {person: f"{person.hex[-12:]}.{version}" for person, version in cursor.fetchall()}


def version_of(user_id: UUID) -> str:
    """One person's version. A page asks before it reads figures, so that none is newer than it says."""
    return versions_of([user_id])[user_id]


def _look(people: Sequence[UUID], sessions: Sequence[str]) -> Sight:
    return Sight(versions_of(people), signed_in_sessions(sessions))


HUB: Final = Hub(_look)


@require_GET
@never_cache
@non_atomic_requests
def live(request: HttpRequest) -> HttpResponseBase:
    """Versions as they change, as server-sent events; 204 where no stream is free. Else the version now, and 204 where
    it is the one `known`. 401 for someone not signed in."""
    if not isinstance(request.user, User):
        return HttpResponse(status=401)
    if "text/event-stream" in request.META.get("HTTP_ACCEPT", ""):
        watch = HUB.watch(person=request.user.pk, session=request.session.session_key or "")
        if watch is None:
            return HttpResponse(status=204)
        return stream_response(HUB, watch, request.META.get("gunicorn.socket"))
    version = version_of(request.user.pk)
    if request.GET.get("known") == version:
        return HttpResponse(status=204)
    return HttpResponse(version, content_type="text/plain")
