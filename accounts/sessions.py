"""The session engine: the session and its person in one query."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import connections
from django.db.models import DateTimeField, Field, UUIDField

from accounts.models import Session, User

if TYPE_CHECKING:
    from wavelength.tenancy.base import DatabaseWrapper


class SessionStore(DatabaseStore):
    """Django's database sessions on a table of our own that names the person.

    After loading, ``person`` is the signed-in user that came with the session, or None, and
    ``expires`` is when the session ends.
    """

    person: User | None = None
    expires: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        key = self.session_key or ""
        # As we make them; no other goes into the statement.
        row = _look_up(key) if key.isascii() and key.isalnum() else None
        if row is None:
            self._session_key = None
            return None
        content, expires, person = row
        self.expires = datetime.fromisoformat(expires)
        self.person = None if person is None else _person(orjson.loads(person))
        return Session(session_key=key, session_data=content, expire_date=self.expires)

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
        return session


def _look_up(key: str) -> tuple[str, str, str | None] | None:
    # Every request comes by here: the ORM would take longer over its statement than the database over the answer.
    connection = cast("DatabaseWrapper", connections["default"])
    content, expires, person = connection.ask(f"SELECT * FROM session_of('{key}')")  # noqa: S608  (alphanumeric)
    return None if content is None or expires is None else (content, expires, person)


def _person(row: dict[str, Any]) -> User:
    values = [
        read(row[column]) if read and row[column] is not None else row[column]
        for _, column, read in _fields_of_person()
    ]
    return User.from_db("default", [name for name, _, _ in _fields_of_person()], values)


@lru_cache
def _fields_of_person() -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    """Each field's name and column, and how its value is read from JSON where that is not as it stands."""
    readers: dict[type[Field[Any, Any]], Callable[[Any], Any]] = {
        UUIDField: UUID,
        DateTimeField: datetime.fromisoformat,
    }
    return [(field.attname, str(field.column), readers.get(type(field))) for field in User._meta.concrete_fields]
