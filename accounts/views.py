"""The profile page: sections that are saved each by itself, in place where there is script, and the picture."""

from typing import Any, Final

from allauth.account.models import EmailAddress
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRefresh

from accounts.avatars import AvatarError, remove_avatar, set_avatar
from accounts.forms import AboutForm, AvatarForm, ChatForm, MailsForm, RegionForm, SectionForm
from accounts.models import Profile, Tier
from accounts.plans import plan_of
from accounts.profile import known_time_zones
from accounts.shell import forget_shell
from wavelength.portal import PageRequest

SECTIONS: Final[dict[str, type[SectionForm]]] = {
    "about": AboutForm,
    "region": RegionForm,
    "mails": MailsForm,
    "chat": ChatForm,
}


@login_required
@require_safe
def profile(request: PageRequest) -> HttpResponse:
    """What one says of oneself and how one wants the product."""
    return _profile_page(request, _profile_of(request))


@login_required
@require_POST
@vary_on_headers("HX-Request")
def section(request: PageRequest, name: str) -> HttpResponse:
    """Store a section."""
    if name not in SECTIONS:
        raise Http404
    stored = _profile_of(request)
    form = _form(name, stored, request.POST)
    if not form.is_valid() or not form.save(stored):
        return _answer(request, stored, name, form)
    messages.success(request, str(form.said))
    forget_shell(request)
    if not request.htmx:
        return redirect("accounts:profile")
    if "language" in form.changed_data:
        # Every word of the page is another one.
        return HttpResponseClientRefresh()
    fresh = _profile_of(request)
    return _answer(request, fresh, name, _form(name, fresh))


@login_required
@require_POST
@vary_on_headers("HX-Request")
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
            return _picture_done(request, _("Your picture is changed."))
    return _answer(request, _profile_of(request), "picture", form)


@login_required
@require_POST
@vary_on_headers("HX-Request")
def avatar_deletion(request: PageRequest) -> HttpResponse:
    """Take the picture away."""
    remove_avatar(user_id=request.user.pk)
    return _picture_done(request, _("Your picture is removed."))


def _profile_of(request: PageRequest) -> Profile:
    return Profile.objects.get(user_id=request.user.pk)


def _form(name: str, stored: Profile, posted: Any = None) -> SectionForm:
    form = SECTIONS[name]
    return form(posted, initial=form.stored(stored), auto_id=f"{name}-%s")


def _picture_done(request: PageRequest, sentence: str) -> HttpResponse:
    messages.success(request, sentence)
    forget_shell(request)
    if not request.htmx:
        return redirect("accounts:profile")
    return _answer(request, _profile_of(request), "picture", AvatarForm())


def _answer(request: PageRequest, stored: Profile, name: str, form: Any) -> HttpResponse:
    """The section alone where htmx asked, else the whole page with this form in it."""
    if request.htmx:
        context = {"form": form, "stored": stored, "zones": known_time_zones()}
        return render(request, f"accounts/profile.html#{name}", context)
    return _profile_page(request, stored, **{name: form})


def _profile_page(request: PageRequest, stored: Profile, **given: Any) -> HttpResponse:
    forms = {name: _form(name, stored) for name in SECTIONS} | {"picture": AvatarForm()} | given
    addresses = EmailAddress.objects.filter(user=request.user, verified=False)
    context = {
        "forms": forms,
        "stored": stored,
        "zones": known_time_zones(),
        "pending": addresses.values_list("email", flat=True).first(),
        "tier": Tier(request.user.tier),
        "plan": plan_of(Tier(request.user.tier)),
    }
    return render(request, "accounts/profile.html", context)
