"""The keys page. A change is made by the vault; a fragment comes back where htmx asked, else the page."""

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import reswap, retarget, trigger_client_event

from apikeys import vault
from apikeys.forms import KeyForm, NewKeyForm, SecretForm, SettingsForm
from apikeys.models import ApiKey
from apikeys.providers import PROVIDERS, KeyRefusedError
from apikeys.validation import validate_key
from apikeys.vault import KeyChanges
from wavelength.portal import PageRequest


@login_required
@require_safe
def key_list(request: PageRequest) -> HttpResponse:
    """One's provider keys, newest first."""
    return render(request, "apikeys/keys.html", {"keys": vault.keys_of(request.user.pk)})


@sensitive_post_parameters("api_key")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_create(request: PageRequest) -> HttpResponse:
    """Add a key."""
    form = NewKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            key = vault.store_key(user_id=request.user.pk, secret=form.cleaned_data.pop("api_key"), **form.cleaned_data)
        except KeyRefusedError as refused:
            form.refuse(refused)
        else:
            return _done(request, _("Your %(provider)s key is stored.") % {"provider": key.provider_info.label})
    return _form_page(
        request,
        form,
        title=_("Add a key"),
        submit=_("Add key"),
        where=[(provider.label, provider.keys_url) for provider in PROVIDERS.values()],
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_edit(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Change a key's name and limits."""
    key = get_object_or_404(ApiKey, pk=key_id)
    form = SettingsForm(request.POST or None, initial=forms.model_to_dict(key, list(SettingsForm.base_fields)))
    if request.method == "POST" and form.is_valid() and _change(request, key_id, form):
        return _done(request, _("Your change is saved."))
    return _form_page(request, form, title=_name(_("Edit %(key)s"), key), submit=_("Save"))


@sensitive_post_parameters("api_key")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_replace(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Put another secret in a key's place."""
    key = get_object_or_404(ApiKey, pk=key_id)
    form = SecretForm(request.POST or None, initial={"base_url": key.base_url})
    if request.method == "POST" and form.is_valid():
        form.cleaned_data["secret"] = form.cleaned_data.pop("api_key")
        if _change(request, key_id, form):
            return _done(request, _("The key is replaced. Check it when you like."))
    provider = key.provider_info
    return _form_page(
        request,
        form,
        title=_name(_("Replace %(key)s"), key),
        submit=_("Replace key"),
        where=[(provider.label, provider.keys_url)],
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_deletion(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Delete a key, after asking."""
    key = get_object_or_404(ApiKey, pk=key_id)
    if request.method == "POST":
        vault.delete_key(user_id=request.user.pk, key_id=key_id)
        return _done(request, _("The key is deleted."))
    return _form_page(
        request,
        KeyForm(),
        title=_name(_("Delete %(key)s?"), key),
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
    active = request.POST.get("is_active") == "true"
    try:
        vault.change_key(user_id=request.user.pk, key_id=key_id, is_active=active)
    except ApiKey.DoesNotExist:
        raise Http404 from None
    return _done(request, _("The key is switched on.") if active else _("The key is switched off."))


@non_atomic_requests
@login_required
@require_POST
def key_validation(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Ask the provider whether the key works; outside any transaction, it may take a while."""
    try:
        key = validate_key(user_id=request.user.pk, key_id=key_id)
    except ApiKey.DoesNotExist:
        raise Http404 from None
    label = key.provider_info.label
    if key.validation_error:
        messages.warning(request, key.validation_error)
        return _done(request, None)
    return _done(request, _("%(provider)s accepts this key.") % {"provider": label})


def _change(request: PageRequest, key_id: UUID, form: KeyForm) -> bool:
    try:
        vault.change_key(user_id=request.user.pk, key_id=key_id, **cast("KeyChanges", form.cleaned_data))
    except KeyRefusedError as refused:
        form.refuse(refused)
        return False
    return True


def _name(sentence: str, key: ApiKey) -> str:
    return sentence % {"key": f"{key.provider_info.label} · {key.key_name}"}


def _form_page(request: PageRequest, form: KeyForm, **context: Any) -> HttpResponse:
    context |= {"form": form, "action": request.path, "in_page": not request.htmx}
    return render(request, f"apikeys/key_form.html{'#panel' if request.htmx else ''}", context)


def _done(request: PageRequest, sentence: str | None) -> HttpResponse:
    if sentence:
        messages.success(request, sentence)
    if not request.htmx:
        return redirect(reverse("apikeys:key-list"))
    response = render(request, "apikeys/keys.html#list", {"keys": vault.keys_of(request.user.pk)})
    return trigger_client_event(reswap(retarget(response, "#keys"), "outerHTML"), "dialog:done", after="swap")
