"""What every page shows of the signed-in person: name, picture, theme; its language and time zone."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers

from accounts.models import Profile, User
from wavelength.tenancy import acting_for

REMEMBERED_AS = "wavelength_shell"


@dataclass(frozen=True, slots=True)
class Shell:
    """The person as the frame of a page knows them. `avatar_url` is empty without a picture."""

    user_id: UUID
    name: str
    email: str
    theme: str
    avatar_url: str
    zone: ZoneInfo
    language: str


class PersonalPageMiddleware:
    """Speaks the person's language in their time zone, and keeps what is personal with its request.

    No cache stores a person's pages. A language that the portal does not speak leaves the browser's choice.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        shell_of(request)
        try:
            response = self.get_response(request)
        finally:
            timezone.deactivate()
        if isinstance(getattr(request, "user", None), User) and "Cache-Control" not in response:
            # So that "back" shows nothing after signing out.
            add_never_cache_headers(response)
        return response


def shell(request: HttpRequest) -> dict[str, Any]:
    """For templates: `shell`, None for someone not signed in."""
    return {"shell": shell_of(request)}


def shell_of(request: HttpRequest) -> Shell | None:
    """The person of this request, read once; from then on the page speaks their language, in their time zone."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    remembered: Shell | None = getattr(request, REMEMBERED_AS, None)
    if remembered is None or remembered.user_id != user.pk:
        remembered = _shell(user, _profile_that_came_along(request, user) or _profile(user))
        setattr(request, REMEMBERED_AS, remembered)
        timezone.activate(remembered.zone)
        _speak(remembered.language)
    return remembered


def profile_of(request: HttpRequest) -> Profile:
    """The profile of the person who asks; it came along with their session."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  (a page for who is signed in)
    return _profile_that_came_along(request, user) or _profile(user)


def forget_shell(request: HttpRequest) -> None:
    """Read the person again next time, after a change to the profile."""
    request.session.profile = None  # type: ignore[attr-defined]  # a store of ours
    if hasattr(request, REMEMBERED_AS):
        delattr(request, REMEMBERED_AS)


def _profile_that_came_along(request: HttpRequest, user: User) -> Profile | None:
    profile: Profile | None = getattr(request.session, "profile", None)
    # Signing in within this request leaves the session with what it found before.
    return profile if profile and profile.user_id == user.pk else None


def _speak(language: str) -> None:
    with suppress(LookupError):  # not a language of the portal
        translation.activate(translation.get_supported_language_variant(language))


def _profile(user: User) -> Profile:
    # Pages are rendered inside the view's transaction, except error pages and views that own theirs; the admin's
    # are the operator's, who may not read profiles: this is always the person's own look at themself.
    with acting_for(user.pk), transaction.atomic(using="default", savepoint=False):
        return Profile.objects.filter(user_id=user.pk).first() or Profile(user=user)


def _shell(user: User, profile: Profile) -> Shell:
    return Shell(
        user_id=user.pk,
        name=profile.display_name or user.name or user.email,
        email=user.email,
        theme=profile.theme,
        avatar_url=profile.avatar_address,
        zone=ZoneInfo(profile.timezone or "UTC"),
        language=profile.language,
    )
