"""The developers page: a person's API tokens, made and revoked."""

from typing import Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from accounts.confirming import confirmed
from accounts.models import ApiToken
from accounts.tokens import NAME_LENGTH, TooManyTokensError, make_token, revoke_token, send_token_letter, tokens_of
from wavelength.addresses import absolute
from wavelength.portal import PageRequest

NEVER: Final = 0


class TokenForm(forms.Form):
    """What a token is for, how long it works and what it may do."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LENGTH,
        help_text=gettext_lazy("What it is for, so that you know it later: a script, a machine."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("It works for"),
        choices=[
            (30, gettext_lazy("30 days")),
            (90, gettext_lazy("90 days")),
            (365, gettext_lazy("1 year")),
            (NEVER, gettext_lazy("Until you revoke it")),
        ],
        coerce=int,
        initial=90,
    )
    read_only = forms.BooleanField(
        label=gettext_lazy("It may only read"),
        required=False,
        help_text=gettext_lazy("Calls that would change or record anything are refused."),
    )


@login_required
@require_safe
def developers(request: PageRequest) -> HttpResponse:
    """One's tokens, the newest first, and how a script shows one."""
    return render(request, "accounts/developers.html", _how(request) | {"tokens": tokens_of(request.user.pk)})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def token_create(request: PageRequest) -> HttpResponse:
    """Make a token; it stands in the answer to that and in no other."""
    form = TokenForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            token = make_token(
                user_id=request.user.pk,
                name=chosen["name"],
                days=None if chosen["days"] == NEVER else chosen["days"],
                read_only=chosen["read_only"],
            )
        except TooManyTokensError:
            form.add_error(None, _("You have as many tokens as one can have. Revoke one that you no longer need."))
        else:
            send_token_letter(request, request.user, name=chosen["name"], token=token)
            context = _how(request) | {"token": token, "name": chosen["name"]}
    response = render(request, "accounts/token_form.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def token_revocation(request: PageRequest, token_id: UUID) -> HttpResponse:
    """Revoke a token, after asking: quickly, so without asking once more who one is."""
    token = get_object_or_404(tokens_of(request.user.pk), pk=token_id)
    if request.method == "POST":
        try:
            revoke_token(user_id=request.user.pk, token_id=token_id)
        except ApiToken.DoesNotExist:
            raise Http404 from None
        said = _("The token is removed.") if token.has_ended else _("The token is revoked. It opens nothing any more.")
        messages.success(request, said)
        # From the dialog, too, to the page: its list is another one now.
        here = reverse("accounts:developers")
        return HttpResponseClientRedirect(here) if request.htmx else redirect(here)
    context = {"token": token, "in_page": not request.htmx}
    return render(request, f"accounts/token_revocation.html{'#panel' if request.htmx else ''}", context)


def _how(request: PageRequest) -> dict[str, object]:
    """What the example of a call needs."""
    return {"address": absolute(request, "/api/profile/usage?period=month")}
