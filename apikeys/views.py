"""The keys page. A change is made by the vault; a fragment comes back where htmx asked, else the page."""

from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from apikeys import vault, watching
from apikeys.forms import KeyForm, SettingsForm
from apikeys.models import ApiKey, KeyFlag
from apikeys.providers import KeyRefusedError
from apikeys.vault import KeyChanges
from wavelength.limits import spend
from wavelength.portal import PageRequest


@login_required
@require_safe
def key_list(request: PageRequest) -> HttpResponse:
    """One's provider keys, newest first."""
    return render(request, "apikeys/keys.html", {"keys": vault.keys_of(request.user.pk)})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_edit(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Change a key's name and limits."""
    key = get_object_or_404(ApiKey, pk=key_id)
    form = SettingsForm(request.POST or None, initial=forms.model_to_dict(key, list(SettingsForm.base_fields)))
    if request.method == "POST" and form.is_valid() and _change(request, key_id, form):
        return done(request, _("Your change is saved."))
    return _form_page(request, form, title=named(_("Edit %(key)s"), key), submit=_("Save"))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_deletion(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Delete a key, after asking."""
    key = get_object_or_404(ApiKey, pk=key_id)
    if request.method == "POST":
        spend("key_writes", request.user.pk)
        vault.delete_key(user_id=request.user.pk, key_id=key_id)
        return done(request, _("The key is deleted."))
    return _form_page(
        request,
        KeyForm(),
        title=named(_("Delete %(key)s?"), key),
        lead=_(
            "It cannot be brought back, not even by us. Chats and costs stay."
            " At the provider it works on until you revoke it there."
        ),
        submit=_("Delete key"),
        danger=True,
    )


@login_required
@require_POST
def key_activation(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Switch a key on or off: `is_active` says which."""
    spend("key_writes", request.user.pk)
    active = request.POST.get("is_active") == "true"
    try:
        vault.change_key(user_id=request.user.pk, key_id=key_id, is_active=active)
    except ApiKey.DoesNotExist:
        raise Http404 from None
    return done(request, _("The key is switched on.") if active else _("The key is switched off."))


@login_required
@require_POST
def flag_dismissal(request: PageRequest, flag_id: UUID) -> HttpResponse:
    """Say something that was noticed of a key no more."""
    try:
        watching.dismiss(user_id=request.user.pk, flag_id=flag_id)
    except KeyFlag.DoesNotExist:
        raise Http404 from None
    return done(request, _("Dismissed."))


def named(sentence: str, key: ApiKey) -> str:
    """A title that says which key it is about."""
    return sentence % {"key": f"{key.provider_info.label} · {key.key_name}"}


def done(request: PageRequest, sentence: str, level: int = messages.SUCCESS) -> HttpResponse:
    """Say what was done: over the list as it now is, which takes the dialog's place."""
    messages.add_message(request, level, sentence)
    here = reverse("apikeys:key-list")
    if not request.htmx:
        return redirect(here)
    if urlsplit(request.htmx.current_url or "").path != here:
        # The form was a page of its own: there is no list to take its place.
        return HttpResponseClientRedirect(here)
    response = render(request, "apikeys/keys.html#list", {"keys": vault.keys_of(request.user.pk)})
    return trigger_client_event(reswap(retarget(response, "#keys"), "outerHTML"), "dialog:done", after="swap")


def _change(request: PageRequest, key_id: UUID, form: KeyForm) -> bool:
    spend("key_writes", request.user.pk)
    try:
        vault.change_key(user_id=request.user.pk, key_id=key_id, **cast("KeyChanges", form.cleaned_data))
    except KeyRefusedError as refused:
        form.refuse(refused)
        return False
    return True


def _form_page(request: PageRequest, form: KeyForm, **context: Any) -> HttpResponse:
    context |= {"form": form, "action": request.path, "in_page": not request.htmx}
    return render(request, f"apikeys/key_form.html{'#panel' if request.htmx else ''}", context)
