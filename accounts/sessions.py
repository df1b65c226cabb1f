"""The session engine: the session and its person in one query."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import connections
from django.http import HttpRequest

from accounts import bearer
from accounts.models import Profile, Session, User, session_stamp
from accounts.rows import read_row
from wavelength.contract import ApiError
from wavelength.middleware import is_bearer
from wavelength.tenancy import ask_entering

if TYPE_CHECKING:
    from wavelength.tenancy.base import DatabaseWrapper


class SessionStore(DatabaseStore):
    """Django's database sessions on a table of our own that names the person.

    After loading, ``person`` is the signed-in user that came with the session, or None, and
    ``expires`` is when the session ends. A page sets ``with_profile`` before: then their ``profile`` comes along.
    """

    with_profile: bool = False
    person: User | None = None
    profile: Profile | None = None
    expires: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        key = self.session_key or ""
        content, expires, person, profile = self._look_up(key) if may_be_ours(key) else (None,) * 4
        if content is None or expires is None:
            self._session_key = None
            return None
        self.expires = datetime.fromisoformat(expires)
        self.person = None if person is None else read_row(User, orjson.loads(person))
        self.profile = None if profile is None else read_row(Profile, orjson.loads(profile))
        return Session(session_key=key, session_data=content, expire_date=self.expires)

    def _look_up(self, key: str) -> tuple[str | None, ...]:
        # Every request comes by here: the ORM would take longer over its statement than the database over the answer.
        connection = cast("DatabaseWrapper", connections["default"])
        if self.with_profile:
            return connection.call("session_with_profile", key)
        return *connection.call("session_of", key), None

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Sessions carry no policy, so nothing secret may stand in them."""
        from accounts.mfa import seal_unconfirmed

        # Not signed, as Django's would be: whoever could write here could write anything else as well.
        return json.dumps(seal_unconfirmed(session_dict), separators=(",", ":"))

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """The other way round."""
        from accounts.mfa import open_unconfirmed

        stored: dict[str, Any] = json.loads(session_data)
        return open_unconfirmed(stored)

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = cast("Session", super().create_model_instance(data))
        session.user_id = data.get(SESSION_KEY)
        session.auth_hash = data.get(HASH_SESSION_KEY, "")
        return session


def ask_as_session(request: HttpRequest, function: str, *arguments: str | None) -> tuple[str | None, ...]:
    """What a SQL function answers the person whose session or token this request shows, all in one round trip.

    The function takes the key and stamp that it gives to `enter` (accounts/migrations/0012_apitoken.py), and
    then the texts given; it answers NULL first when that finds nobody. Raises ApiError 401 then, and django.db.Error as
    `ask_entering` does. An operation that asks so declares ``auth=None``.
    """
    if is_bearer(request):
        # Such a request passes the cross-origin check, so a cookie that came along counts for nothing.
        token = bearer.hash_shown(request)
        row = ask_entering(function, token, bearer.STAMP, *arguments) if token else None
        if row is not None:
            return row
        raise bearer.not_a_token()
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if may_be_ours(key):
        row = ask_entering(function, key, session_stamp(), *arguments)
        if row is not None:
            return row
    raise ApiError(401, "not_signed_in", "Sign in first.")


def signed_in_sessions(keys: Sequence[str]) -> frozenset[str]:
    """Those of these sessions in which somebody is signed in now: not ended, not of an account that was switched off
    or got another password."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT s.session_key FROM accounts_session s JOIN accounts_user u ON u.id = s.user_id"
            " WHERE s.session_key = ANY (%s) AND s.expire_date > now() AND u.is_active"
            "   AND s.auth_hash = encode(sha256(convert_to(%s || u.password, 'UTF8')), 'hex')",
            [list(keys), session_stamp()],
        )
        return frozenset(key for (key,) in cursor.fetchall())


def may_be_ours(key: str) -> bool:
    return key.isascii() and key.isalnum()
