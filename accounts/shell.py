"""What every page shows of the signed-in person: name, picture, theme; and in which time zone it shows moments."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from accounts.models import Profile, User
from wavelength.tenancy import acting_for

REMEMBERED_AS = "wavelength_shell"


@dataclass(frozen=True, slots=True)
class Shell:
    """The person as the frame of a page knows them. `avatar_url` is empty without a picture."""

    name: str
    email: str
    theme: str
    avatar_url: str
    zone: ZoneInfo


class PersonalPageMiddleware:
    """Keeps what is personal with its request.

    No cache stores a person's pages, and no later request on this thread has the time zone that `shell_of` chose.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
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
    """The person of this request, read once; from then on moments are shown in their time zone."""
    if not hasattr(request, REMEMBERED_AS):
        user = getattr(request, "user", None)
        setattr(request, REMEMBERED_AS, _read(user) if isinstance(user, User) else None)
    remembered: Shell | None = getattr(request, REMEMBERED_AS)
    if remembered is not None:
        timezone.activate(remembered.zone)
    return remembered


def forget_shell(request: HttpRequest) -> None:
    """Read the person again next time, after a change to the profile."""
    if hasattr(request, REMEMBERED_AS):
        delattr(request, REMEMBERED_AS)


def _read(user: User) -> Shell:
    # Pages are rendered inside the view's transaction, except error pages and views that own theirs; the admin's
    # are the operator's, who may not read profiles: this is always the person's own look at themself.
    with acting_for(user.pk), transaction.atomic(using="default", savepoint=False):
        profile = Profile.objects.filter(user_id=user.pk).first() or Profile(user=user)
    return Shell(
        name=profile.display_name or user.name or user.email,
        email=user.email,
        theme=profile.theme,
        avatar_url=profile.avatar_address,
        zone=ZoneInfo(profile.timezone or "UTC"),
    )
