"""The JSON API put together: routers, who is asking, and the one call that knows every app."""

from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from accounts.api import ProfileOut
from accounts.api import router as profile_router
from accounts.models import User
from wavelength.addresses import absolute
from wavelength.contract import Answer, Moment, Request, Shape, reply
from wavelength.faults import StrictParser, tell_faults
from wavelength.middleware import is_bearer
from wavelength.tenancy import call_for


def signed_in(request: HttpRequest) -> User | None:
    """The person of the session cookie, or None (ninja answers 401)."""
    if is_bearer(request):
        # Such a request passes the cross-origin check, so a cookie that came along counts for nothing.
        return None
    user = request.user
    return user if isinstance(user, User) else None


api = NinjaAPI(
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
@profile_router.get("/profile", response=Answer[Account])
def get_profile(request: Request) -> HttpResponse:
    """The person, their profile, keys and figures."""
    return reply(account(request.user, request))


api.add_router("", profile_router)
api.add_router("", "apikeys.api.router")
api.add_router("", "chats.api.router")


def account(user: User, request: HttpRequest) -> dict[str, Any]:
    """A person's ``Account``, ready for ``reply``: the database writes its JSON, which is passed on unread."""
    media = absolute(request, settings.MEDIA_URL)
    avatar, profile, keys, stats = call_for(user.pk, "account_of", media)
    return {
        "user": {
            "id": user.pk,
            "name": user.name or None,
            "email": user.email,
            "image": f"{media}{avatar}" if avatar else None,
            "tier": user.tier,
            "createdAt": user.created_at,
            "lastLoginAt": user.last_login,
        },
        "profile": orjson.Fragment(profile),
        "apiKeys": orjson.Fragment(keys),
        "stats": orjson.Fragment(stats),
    }
