"""`/`: the welcome page for who is not signed in, else the overview, which knows every app."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.shell import shell_of
from apikeys import vault
from apikeys.models import ApiKey
from chats.figures import ChatFigures, chat_figures
from usage.meters import ShownQuota, shown_quotas
from usage.quotas import quotas_of
from usage.reports import Share, Span, report_of
from usage.showing import ShownReport, shown_report

LATEST_CHATS = 6
MODELS_SHOWN = 5


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Welcome, or overview."""
    if shell_of(request) is None:
        return render(request, "pages/welcome.html")
    user = cast("User", request.user)
    return render(request, "pages/overview.html", {"overview": overview_of(user)})


@dataclass(frozen=True, slots=True)
class Step:
    """Something a new account does first."""

    title: str
    text: str
    action: str
    url: str
    done: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """What the overview shows: this month against the last one, the last 30 days, chats and quotas."""

    chats: ChatFigures
    month: ShownReport
    recent: ShownReport
    models: list[Share]
    quotas: list[ShownQuota]
    attention: list[ApiKey]
    steps: list[Step]
    is_new: bool


def overview_of(user: User) -> Overview:
    """A person's figures, in their own time zone."""
    month = report_of(user_id=user.pk, span=Span.MONTH)
    recent = report_of(user_id=user.pk, span=Span.RECENT)
    chats = chat_figures(user_id=user.pk, since=month.starts, latest=LATEST_CHATS)
    keys = vault.keys_of(user.pk)
    return Overview(
        chats=chats,
        month=shown_report(month),
        recent=shown_report(recent),
        models=recent.models[:MODELS_SHOWN],
        quotas=shown_quotas(quotas_of(user_id=user.pk)),
        attention=[key for key in keys if key.is_active and key.is_valid is False],
        steps=[] if chats.chats and keys else list(_steps(user, has_chats=chats.chats > 0, has_keys=bool(keys))),
        is_new=not chats.chats and not keys and not recent.totals.requests,
    )


def _steps(user: User, *, has_chats: bool, has_keys: bool) -> Iterator[Step]:
    yield Step(
        _("Bring your chats"),
        _("What this browser holds, or a saved file. Once, and whole."),
        _("Bring chats"),
        reverse("chats:import"),
        has_chats,
    )
    yield Step(
        _("Add a provider key"),
        _("So that models answer on your own account at OpenRouter, OpenAI, Anthropic, Google or xAI."),
        _("Add a key"),
        reverse("apikeys:key-create"),
        has_keys,
    )
    yield Step(
        _("Protect your account"),
        _("A second factor or a passkey takes a minute."),
        _("Set up"),
        reverse("mfa_index"),
        Authenticator.objects.filter(user=user).exists(),
    )
