"""The session engine: the session and its person in one query."""

import json
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import connections

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
        # Every request comes by here, and putting the statement together takes the ORM longer than the
        # database takes to answer it.
        statement, fields = _session_and_person()
        row = cast("DatabaseWrapper", connections["default"]).ask(statement, [self.session_key])
        if row is None:
            self._session_key = None
            return None
        session_data, self.expires, user_id, *person = row
        self.person = None if user_id is None else User.from_db("default", fields, person)
        return Session(session_key=str(self.session_key), session_data=session_data, expire_date=self.expires)

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


@lru_cache
def _session_and_person() -> tuple[str, list[str]]:
    """The statement, and the names of the person's fields at its end."""
    fields = User._meta.concrete_fields
    columns = ", ".join(f'u."{field.column}"' for field in fields)
    statement = f"""
        SELECT s.session_data, s.expire_date, u.id, {columns}
          FROM {Session._meta.db_table} s
          LEFT JOIN {User._meta.db_table} u ON u.id = s.user_id
         WHERE s.session_key = %s AND s.expire_date > now()
    """  # noqa: S608  (names from our own models)
    return statement, [field.attname for field in fields]
