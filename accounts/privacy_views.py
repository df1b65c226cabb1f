"""The privacy page, and leaving."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import archives, audit
from accounts.confirming import confirmed
from accounts.deactivation import deactivate, send_reactivation_link
from accounts.erasure import ask, call_off, send_erasure_letter
from accounts.privacy import archive_of, erasure_of, kept
from accounts.tasks import make_later
from wavelength.portal import PageRequest


class LeavingForm(forms.Form):
    """Asks for the account's own address, so that nobody leaves by a slip."""

    email = forms.CharField(
        label=gettext_lazy("Your e-mail address, to confirm"),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, address: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.address = address

    def clean_email(self) -> str:
        typed = str(self.cleaned_data["email"]).strip()
        if typed.lower() != self.address.lower():
            raise ValidationError(_("This is not the address of this account. Type it as it stands above."))
        return typed


@login_required
@require_safe
def privacy(request: PageRequest) -> HttpResponse:
    """What one may ask of one's data, and how long what is kept."""
    context = {
        "archive": archive_of(request.user),
        "erasure": erasure_of(request.user),
        "kept": kept(),
        "days": settings.DEACTIVATED_RETENTION_DAYS,
    }
    return render(request, "accounts/privacy.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def deactivation(request: PageRequest) -> HttpResponse:
    """Deactivate one's account, after typing its address; a letter brings the way back."""
    user = request.user
    form = LeavingForm(request.POST or None, address=user.email)
    if request.method == "POST" and form.is_valid():
        gone = deactivate(user_id=user.pk)
        send_reactivation_link(request, gone)
        logout(request)
        messages.success(request, _("Your account is deactivated. We have mailed you a link that brings it back."))
        return redirect("home")
    context = {"form": form, "days": settings.DEACTIVATED_RETENTION_DAYS}
    return render(request, "accounts/deactivation.html", context)


@login_required
@require_POST
@confirmed
def archive(request: PageRequest) -> HttpResponse:
    """Have an archive of one's data made; a letter says when it is ready."""
    archives.ask(user_id=request.user.pk)
    make_later(request.user.pk)
    return redirect("accounts:privacy")


@login_required
@require_safe
@confirmed
def archive_file(request: PageRequest) -> FileResponse:
    """One's archive, while it is kept."""
    found = archives.ready(user_id=request.user.pk)
    if found is None:
        raise Http404
    try:
        file = default_storage.open(found.file)
    except FileNotFoundError as error:
        raise Http404 from error
    audit.record(request.user.pk, "archive.downloaded")
    name = f"wavelength-{found.asked_at:%Y-%m-%d}.zip"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def erasure(request: PageRequest) -> HttpResponse:
    """Ask for one's account to be erased, after typing its address; until it happens it can be called off."""
    user = request.user
    form = LeavingForm(request.POST or None, address=user.email)
    if request.method == "POST" and form.is_valid():
        asked = ask(user_id=user.pk)
        send_erasure_letter(request, user, asked)
        messages.success(request, _("Your account will be erased. Until then you can call it off here."))
        return redirect("accounts:privacy")
    context = {"form": form, "days": settings.DEACTIVATED_RETENTION_DAYS}
    return render(request, "accounts/erasure.html", context)


@login_required
@require_POST
def erasure_cancel(request: PageRequest) -> HttpResponse:
    """Call one's erasure off."""
    if call_off(user_id=request.user.pk):
        messages.success(request, _("Your account stays. Nothing will be erased."))
    return redirect("accounts:privacy")
