"""Who is asking for a page, from one query."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.sessions import SessionStore
from wavelength.tenancy import acting_for


class PersonMiddleware(AuthenticationMiddleware):
    """Sets ``request.user`` and serves a page as that person's tenant; an API call says itself whom it serves."""

    get_response: Callable[[HttpRequest], HttpResponseBase]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.session.with_profile = True  # type: ignore[attr-defined]  # a store of ours
        person = person_of(request)
        request.user = person
        if isinstance(person, AnonymousUser):
            return self.get_response(request)
        with acting_for(person.pk):
            return self.get_response(request)


def person_of(request: HttpRequest) -> User | AnonymousUser:
    """The signed-in person of this request's session, if the session still holds for them."""
    if not hasattr(request, "session"):
        # A call of the API, which passes by SessionMiddleware; ApiMiddleware keeps what changes in it.
        request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    session = request.session
    if session.get(auth.SESSION_KEY) is None:
        return AnonymousUser()
    person: User | None = getattr(session, "person", None)
    if person is None or not person.is_active:
        return AnonymousUser()
    # A changed password ends the session; Django's own function also knows SECRET_KEY_FALLBACKS.
    fingerprint = session.get(auth.HASH_SESSION_KEY, "")
    if constant_time_compare(fingerprint, person.get_session_auth_hash()):
        return person
    return auth.get_user(request)
