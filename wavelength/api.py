"""The JSON API put together: routers, who is asking, and the one call that knows every app."""

from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connections
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from accounts.api import ProfileOut
from accounts.api import router as profile_router
from accounts.models import Profile, User
from wavelength.addresses import absolute
from wavelength.contract import Answer, Moment, Request, Shape, reply
from wavelength.faults import StrictParser, tell_faults
from wavelength.tenancy import tenant


def signed_in(request: HttpRequest) -> User | None:
    """The person of the session cookie, or None (ninja answers 401)."""
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

# The texts of JSON columns are passed on unread. Deleted chats are tombstones.
ACCOUNT: Final = """
    SELECT p.id, p.display_name, p.avatar, p.bio, p.timezone, p.language, p.theme,
           p.preferences::text, p.features::text, p.created_at, p.updated_at,
           (SELECT json_agg(json_build_object(
                       'id', k.id, 'provider', k.provider, 'keyName', k.key_name, 'isActive', k.is_active,
                       'lastUsed', to_char(k.last_used AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                       'isValid', k.is_valid, 'validationError', k.validation_error)
                   ORDER BY k.created_at DESC, k.id DESC)::text
              FROM apikeys_apikey k
             WHERE k.user_id = p.user_id),
           c.chats, c.messages
      FROM accounts_profile p,
           LATERAL (SELECT count(*) AS chats, coalesce(sum(message_count), 0) AS messages
                      FROM chats_chat
                     WHERE user_id = p.user_id AND deleted_at IS NULL) c
     WHERE p.user_id = %s
"""


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
    """A person's ``Account`` from one statement, ready for ``reply``."""
    with tenant(user.pk), connections["default"].cursor() as cursor:
        cursor.execute(ACCOUNT, [user.pk])
        (
            profile_id, display_name, avatar, bio, timezone, language, theme, preferences, features,
            created_at, updated_at, keys, chats, messages,
        ) = cursor.fetchone()  # fmt: skip
    image = absolute(request, Profile(avatar=avatar).avatar_address) if avatar else None
    return {
        "user": {
            "id": user.pk,
            "name": user.name or None,
            "email": user.email,
            "image": image,
            "tier": user.tier,
            "createdAt": user.created_at,
            "lastLoginAt": user.last_login,
        },
        "profile": {
            "id": profile_id,
            "userId": user.pk,
            "displayName": display_name or None,
            "avatarUrl": image,
            "bio": bio or None,
            "timezone": timezone or None,
            "language": language or None,
            "theme": theme,
            "preferences": orjson.Fragment(preferences),
            "features": orjson.Fragment(features),
            "createdAt": created_at,
            "updatedAt": updated_at,
        },
        "apiKeys": orjson.Fragment(keys or "[]"),
        "stats": {"totalChats": chats, "totalMessages": int(messages)},
    }
