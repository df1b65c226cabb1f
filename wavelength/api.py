"""The JSON API put together: routers, who is asking, and the one call that knows every app."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from accounts.api import ProfileOut
from accounts.api import router as profile_router
from accounts.bearer import person_of_token
from accounts.middleware import person_of
from accounts.models import User
from accounts.sessions import ask_as_session
from wavelength.addresses import absolute
from wavelength.contract import Answer, Moment, Shape, reply, written
from wavelength.faults import StrictParser, declare_faults, tell_faults
from wavelength.middleware import is_bearer


def signed_in(request: HttpRequest) -> User | None:
    """The person of the token or of the session cookie, or None (ninja answers 401). Raises ApiError 401."""
    # A request with a token passes the cross-origin check, so a cookie that came along counts for nothing.
    request.user = person_of_token(request) if is_bearer(request) else person_of(request)
    return request.user if isinstance(request.user, User) else None


class Api(NinjaAPI):
    """Operations make their answers themselves (`reply`), so none is made for them beforehand."""

    _unused = HttpResponse()

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        return self._unused

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        declare_faults(document)
        _declare_credentials(document)
        return document


def _declare_credentials(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document that calls take a session or a token; those that take less, or none, say so."""
    document["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
        "token": {"type": "http", "scheme": "bearer", "description": "Made under Developers, for scripts."},
    }
    document["security"] = [{"session": []}, {"token": []}]


api = Api(
    title="Wavelength",
    version="1",
    description="The account and data platform's JSON API; docs/api.md explains it.",
    urls_namespace="api",
    auth=signed_in,
    parser=StrictParser(),
)
tell_faults(api)


class UserOut(Shape):
    id: UUID
    name: str | None
    email: str
    image: str | None
    tier: str
    created_at: Moment
    last_login_at: Moment | None


class KeySummary(Shape):
    id: UUID
    provider: str
    key_name: str
    is_active: bool
    last_used: Moment | None
    is_valid: bool | None
    validation_error: str | None


class Stats(Shape):
    total_chats: int
    total_messages: int


class Account(Shape):
    user: UserOut
    profile: ProfileOut
    api_keys: list[KeySummary]
    stats: Stats


# ninja keeps one view for each path of a router: this call stands beside PUT and DELETE in theirs.
@profile_router.get("/profile", response=Answer[Account], auth=None)
def get_profile(request: HttpRequest) -> HttpResponse:
    """The person, their profile, keys and figures."""
    (account,) = ask_as_session(request, "account_of_session", absolute(request, settings.MEDIA_URL))
    return reply(written(account))


api.add_router("", profile_router)
api.add_router("", "usage.api.router")
api.add_router("", "usage.check_api.router")
api.add_router("", "usage.status_api.router")
api.add_router("", "usage.sync_api.router")
api.add_router("", "apikeys.api.router")
api.add_router("", "chats.api.router")
