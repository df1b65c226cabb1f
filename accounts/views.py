"""The pages about oneself: profile, picture, security."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import profile as profiles
from accounts.activity import latest_activity
from accounts.avatars import AvatarError, remove_avatar, set_avatar
from accounts.forms import AvatarForm, ProfileForm
from accounts.models import Profile, User
from accounts.shell import forget_shell
from wavelength.portal import PageRequest

ACTIVITY_SHOWN = 10


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: PageRequest) -> HttpResponse:
    """What one says of oneself and how one wants the product."""
    stored = Profile.objects.get(user_id=request.user.pk)
    form = ProfileForm(request.POST or None, initial=_initial(stored))
    if request.method == "POST" and form.is_valid():
        profiles.change_profile(user_id=request.user.pk, **form.cleaned_data)
        messages.success(request, _("Your profile is saved."))
        return redirect("accounts:profile")
    return _profile_page(request, form, AvatarForm())


@login_required
@require_POST
def avatar(request: PageRequest) -> HttpResponse:
    """Take a new picture."""
    form = AvatarForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["avatar"]
        try:
            set_avatar(user_id=request.user.pk, file=file, size=file.size)
        except AvatarError as refused:
            form.add_error("avatar", str(refused))
        else:
            messages.success(request, _("Your picture is changed."))
            return redirect("accounts:profile")
    stored = Profile.objects.get(user_id=request.user.pk)
    return _profile_page(request, ProfileForm(initial=_initial(stored)), form)


@login_required
@require_POST
def avatar_deletion(request: PageRequest) -> HttpResponse:
    """Take the picture away."""
    remove_avatar(user_id=request.user.pk)
    messages.success(request, _("Your picture is removed."))
    return redirect("accounts:profile")


@login_required
@require_safe
def security(request: PageRequest) -> HttpResponse:
    """How one signs in and from where, and what happened lately."""
    groups = [
        Group(_("Signing in"), list(_ways_in(request))),
        Group(_("Where you are signed in"), [_sessions(request.user)]),
    ]
    return render(request, "accounts/security.html", {"groups": groups, "events": latest_activity(ACTIVITY_SHOWN)})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the security page, and where it leads."""

    icon: str
    title: str | Promise
    text: str
    action: str
    url: str
    state: str = ""
    state_kind: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A card of the security page."""

    title: str
    entries: list[Entry]


def _initial(stored: Profile) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in ("display_name", "bio", "timezone", "language", "theme")}


def _profile_page(request: PageRequest, form: ProfileForm, avatar_form: AvatarForm) -> HttpResponse:
    forget_shell(request)
    return render(request, "accounts/profile.html", {"form": form, "avatar_form": avatar_form})


def _ways_in(request: PageRequest) -> Iterator[Entry]:
    user = request.user
    if user.has_usable_password():
        text, action, url = _("Only you know it; we keep a hash."), _("Change"), reverse("account_change_password")
    else:
        text = _("None set: you sign in with a provider.")
        action, url = _("Set"), reverse("account_set_password")
    yield Entry("lock", _("Password"), text, action, url)

    verified = EmailAddress.objects.filter(user=user, primary=True, verified=True).exists()
    yield Entry(
        "mail",
        _("E-mail address"),
        user.email,
        _("Change"),
        reverse("account_email"),
        state="" if verified else _("Not confirmed"),
        state_kind="warn",
    )

    factors = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    on = bool(factors & {Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN})
    yield Entry(
        "phone",
        _("Second factor and passkeys"),
        _("A code from an app or a key on your device, besides the password."),
        _("Manage") if on else _("Set up"),
        reverse("mfa_index"),
        state=_("On") if on else _("Off"),
        state_kind="good" if on else "",
    )

    connected = SocialAccount.objects.filter(user=user).count()
    if connected or get_adapter().list_providers(request):
        text = ngettext("%(count)d connected account.", "%(count)d connected accounts.", connected)
        yield Entry(
            "link",
            _("Google and GitHub"),
            text % {"count": connected},
            _("Manage"),
            reverse("socialaccount_connections"),
        )


def _sessions(user: User) -> Entry:
    number = UserSession.objects.filter(user=user).count()
    text = ngettext("%(count)d browser can open this account.", "%(count)d browsers can open this account.", number)
    return Entry("devices", _("Sessions"), text % {"count": number}, _("See"), reverse("usersessions_list"))
