"""Entering a secret: trying it, storing it, putting it in another's place, and asking about a stored one.

All of these ask a provider, which may take a while, and therefore hold no transaction. A pasted secret goes to the
provider and to the vault, and into no answer: htmx leaves the field it stands in alone, and without script it has to be
pasted again.
"""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from apikeys import vault
from apikeys.forms import NewKeyForm, SecretForm
from apikeys.models import ApiKey
from apikeys.providers import PROVIDERS, KeyRefusedError, Provider, Verdict, provider_named
from apikeys.validation import try_key, validate_key
from apikeys.views import done, named
from apikeys.wording import in_words
from wavelength.limits import spend
from wavelength.portal import PageRequest


@sensitive_post_parameters("api_key")
@non_atomic_requests
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_create(request: PageRequest) -> HttpResponse:
    """Add a key that its provider accepts; one that it refuses only when that is wanted all the same."""
    form = NewKeyForm(request.POST or None, initial={"provider": request.GET.get("provider") or next(iter(PROVIDERS))})
    verdict = None
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        spend("key_writes", request.user.pk)
        try:
            verdict = try_key(provider=chosen["provider"], secret=form.secret, base_url=chosen["base_url"])
            if verdict.works is not False or chosen["anyway"]:
                names = ("provider", "key_name", "base_url", "daily_limit", "monthly_limit")
                key = vault.store_key(
                    user_id=request.user.pk,
                    secret=form.secret,
                    verdict=verdict,
                    **{name: chosen[name] for name in names},
                )
                return _stored(request, _("Your %(provider)s key is stored."), key.provider_info, verdict)
        except KeyRefusedError as refused:
            form.refuse(refused)
    return _new_key_page(request, form, verdict)


@sensitive_post_parameters("api_key")
@non_atomic_requests
@login_required
@require_POST
@vary_on_headers("HX-Request")
def key_trial(request: PageRequest) -> HttpResponse:
    """Ask the provider about a pasted key, and store nothing."""
    spend("validation", request.user.pk)
    form = NewKeyForm(request.POST)
    return _new_key_page(request, form, _tried(form))


@sensitive_post_parameters("api_key")
@non_atomic_requests
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def key_replace(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Put another secret in a key's place, on the same terms as a new one."""
    key = _found(request, key_id)
    form = SecretForm(request.POST or None, initial={"base_url": key.base_url})
    verdict = None
    if request.method == "POST" and form.is_valid():
        base_url = form.cleaned_data["base_url"]
        spend("key_writes", request.user.pk)
        try:
            verdict = try_key(provider=key.provider, secret=form.secret, base_url=base_url)
            if verdict.works is not False or form.cleaned_data["anyway"]:
                vault.change_key(
                    user_id=request.user.pk, key_id=key_id, secret=form.secret, base_url=base_url, verdict=verdict
                )
                return _stored(request, _("Your %(provider)s key is replaced."), key.provider_info, verdict)
        except KeyRefusedError as refused:
            form.refuse(refused)
        except ApiKey.DoesNotExist:
            raise Http404 from None
    return _replacing_page(request, form, key, verdict)


@sensitive_post_parameters("api_key")
@non_atomic_requests
@login_required
@require_POST
@vary_on_headers("HX-Request")
def key_replacement_trial(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Ask the provider about the secret that is to take a key's place, and change nothing."""
    key = _found(request, key_id)
    spend("validation", request.user.pk)
    form = SecretForm(request.POST)
    return _replacing_page(request, form, key, _tried(form, provider=key.provider))


@non_atomic_requests
@login_required
@require_POST
def key_validation(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Ask the provider whether a stored key works."""
    spend("validation", request.user.pk)
    spend("key_validation", f"{request.user.pk} {key_id}")
    try:
        key = validate_key(user_id=request.user.pk, key_id=key_id)
    except ApiKey.DoesNotExist:
        raise Http404 from None
    if key.problem:
        return done(request, key.problem, messages.WARNING)
    return done(request, _("%(provider)s accepts this key.") % {"provider": key.provider_info.label})


def _found(request: PageRequest, key_id: UUID) -> ApiKey:
    try:
        return vault.key_of(user_id=request.user.pk, key_id=key_id)
    except ApiKey.DoesNotExist:
        raise Http404 from None


def _tried(form: SecretForm, provider: str | None = None) -> Verdict | None:
    if not form.is_valid():
        return None
    chosen = form.cleaned_data
    try:
        return try_key(provider=provider or chosen["provider"], secret=form.secret, base_url=chosen["base_url"])
    except KeyRefusedError as refused:
        form.refuse(refused)
        return None


def _stored(request: PageRequest, sentence: str, provider: Provider, verdict: Verdict) -> HttpResponse:
    sentence %= {"provider": provider.label}
    if verdict.works:
        return done(request, f"{sentence} {_('It works.')}")
    return done(request, f"{sentence} {in_words(verdict.sentence or '', provider)}", messages.WARNING)


def _new_key_page(request: PageRequest, form: NewKeyForm, verdict: Verdict | None) -> HttpResponse:
    chosen = form["provider"].value()
    return _secret_page(
        request,
        form,
        verdict,
        provider=provider_named(chosen) if chosen in PROVIDERS else None,
        providers=PROVIDERS.values(),
        title=_("Add a key"),
        submit=_("Add key"),
        action=reverse("apikeys:key-create"),
        trial=reverse("apikeys:key-trial"),
    )


def _replacing_page(request: PageRequest, form: SecretForm, key: ApiKey, verdict: Verdict | None) -> HttpResponse:
    return _secret_page(
        request,
        form,
        verdict,
        provider=key.provider_info,
        title=named(_("Replace %(key)s"), key),
        submit=_("Replace key"),
        action=reverse("apikeys:key-replace", args=[key.pk]),
        trial=reverse("apikeys:key-replacement-trial", args=[key.pk]),
    )


def _secret_page(
    request: PageRequest, form: SecretForm, verdict: Verdict | None, *, provider: Provider | None, **context: Any
) -> HttpResponse:
    sentence = in_words(verdict.sentence, provider) if verdict and verdict.sentence and provider else ""
    # A refusal offers the second step only for what it was said of: not beside another fault.
    refused = verdict is not None and verdict.works is False and not form.errors
    context |= {"form": form, "provider": provider, "verdict": verdict, "sentence": sentence, "refused": refused}
    context |= {"in_page": not request.htmx, "paste_again": form.is_bound and not request.htmx}
    part = "" if not request.htmx else "#form" if request.method == "POST" else "#panel"
    return render(request, f"apikeys/secret_form.html{part}", context)
