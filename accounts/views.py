"""The profile page, and the picture on it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import profile as profiles
from accounts.avatars import AvatarError, remove_avatar, set_avatar
from accounts.forms import AvatarForm, ProfileForm
from accounts.models import Profile
from accounts.shell import forget_shell
from wavelength.portal import PageRequest


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


def _initial(stored: Profile) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in ("display_name", "bio", "timezone", "language", "theme")}


def _profile_page(request: PageRequest, form: ProfileForm, avatar_form: AvatarForm) -> HttpResponse:
    forget_shell(request)
    return render(request, "accounts/profile.html", {"form": form, "avatar_form": avatar_form})
