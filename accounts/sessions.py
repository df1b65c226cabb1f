"""The session engine: the session and its person in one query."""

from datetime import datetime
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models.functions import Now

from accounts.models import Session, User


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
        try:
            session = Session.objects.select_related("user").get(session_key=self.session_key, expire_date__gt=Now())
        except Session.DoesNotExist:
            self._session_key = None
            return None
        self.person = session.user
        self.expires = session.expire_date
        return session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = cast("Session", super().create_model_instance(data))
        session.user_id = data.get(SESSION_KEY)
        return session
