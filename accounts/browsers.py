"""The browsers in which a person is signed in: which they are, and signing them out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts import audit
from accounts.models import Session, User
from accounts.presence import notice
from wavelength.caller import current_caller
from wavelength.devices import device_name, device_of
from wavelength.tenancy import tenant

# Looks of a browser closer together than this are one.
SEEN_EVERY: Final = timedelta(minutes=10)
# What a page that stands open asks by itself, whether or not anybody looks at it.
UNATTENDED: Final = frozenset({"usage:live"})


@dataclass(frozen=True, slots=True)
class SignedInBrowser:
    """A browser that can open the account; ``here`` is the one that asks."""

    id: int
    device: str
    address: str
    signed_in_at: datetime
    seen_at: datetime
    here: bool


def browsers_of(user: User, *, here: str | None) -> list[SignedInBrowser]:
    """Every browser that can still open the person's account, the asking one first, then the last seen.

    ``here`` is the session key of the one that asks.
    """
    alive = Session.objects.filter(
        session_key=OuterRef("session_key"),
        user_id=user.pk,
        auth_hash=user.get_session_auth_hash(),
        expire_date__gt=Now(),
    )
    found = UserSession.objects.filter(Exists(alive), user_id=user.pk).order_by("-last_seen_at")
    browsers = [
        SignedInBrowser(
            id=session.pk,
            device=device_name(device_of(session.user_agent)),
            address=session.ip,
            signed_in_at=session.created_at,
            seen_at=session.last_seen_at,
            here=session.session_key == here,
        )
        for session in found
    ]
    return sorted(browsers, key=lambda browser: not browser.here)


def end_browser(*, user_id: UUID, browser_id: int) -> bool:
    """Sign a browser of this person's out. Answers whether there was such a one."""
    with tenant(user_id):
        session = UserSession.objects.select_for_update().filter(user_id=user_id, pk=browser_id).first()
        if session is None:
            return False
        Session.objects.filter(user_id=user_id, session_key=session.session_key).delete()
        session.delete()
        audit.record(user_id, "session.ended", browser=device_of(session.user_agent))
    return True


def end_other_browsers(*, user_id: UUID, here: str | None) -> int:
    """Sign the person out everywhere but in the browser with this session key. Answers how many that were."""
    with tenant(user_id):
        ended, _per_model = Session.objects.filter(user_id=user_id).exclude(session_key=here or "").delete()
        UserSession.objects.filter(user_id=user_id).exclude(session_key=here or "").delete()
        if ended:
            audit.record(user_id, "session.others_ended", count=ended)
    return ended


class LastSeenMiddleware:
    """Notes now and then when and where a signed-in browser was last seen, for its person's list of browsers; and that
    its person is here (accounts/presence.py)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not isinstance(request.user, AnonymousUser) and _is_due(request):
            caller = current_caller()
            changed = {"ip": caller.address} if caller and caller.address else {}
            UserSession.objects.filter(session_key=request.session.session_key).update(last_seen_at=Now(), **changed)
        person = None if isinstance(request.user, AnonymousUser) else str(request.user.pk)
        response = self.get_response(request)
        if person and (request.resolver_match is None or request.resolver_match.view_name not in UNATTENDED):
            notice(person)
        return response


def _is_due(request: HttpRequest) -> bool:
    expires: datetime | None = getattr(request.session, "expires", None)
    age = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    if expires is None or expires - age > timezone.now() - SEEN_EVERY:
        return False  # saved just now, so seen just now
    # Its hash, since a session's key opens an account.
    key = sha256((request.session.session_key or "").encode()).hexdigest()
    return caches["process"].add(f"browser-seen:{key}", 1, SEEN_EVERY.total_seconds())
