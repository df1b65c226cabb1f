"""`/`: the welcome page for who is not signed in, else the overview, which knows every app."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.shell import Shell, shell_of
from apikeys import vault
from apikeys.models import ApiKey
from chats.figures import ChatFigures, Day, chat_figures

LATEST_CHATS = 6
CHART_WIDTH = 600
CHART_HEIGHT = 120


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Welcome, or overview."""
    person = shell_of(request)
    if person is None:
        return render(request, "pages/welcome.html")
    user = cast("User", request.user)
    return render(request, "pages/overview.html", {"overview": overview_of(user, person)})


@dataclass(frozen=True, slots=True)
class Step:
    """Something a new account does first."""

    title: str
    text: str
    action: str
    url: str
    done: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart, in its own units."""

    date: date
    cost: Decimal
    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What the overview shows. `bars` is empty when nothing was spent in the days shown.

    `head` names the columns of the same figures as a table.
    """

    chats: ChatFigures
    attention: list[ApiKey]
    steps: list[Step]
    is_new: bool
    bars: list[Bar]
    head: list[str]
    days_cost: Decimal
    busiest: Day


def overview_of(user: User, person: Shell) -> Overview:
    """A person's figures, in their own time zone."""
    chats = chat_figures(user_id=user.pk, zone=person.zone, latest=LATEST_CHATS)
    keys = vault.keys_of(user.pk)
    has_chats = chats.totals.chats > 0
    days_cost = sum((day.cost for day in chats.days), Decimal(0))
    return Overview(
        chats=chats,
        attention=[key for key in keys if key.is_active and key.is_valid is False],
        steps=[] if has_chats and keys else list(_steps(user, has_chats=has_chats, has_keys=bool(keys))),
        is_new=not has_chats and not keys,
        bars=list(_bars(chats.days)) if days_cost else [],
        head=[_("Day"), _("Messages"), _("Tokens"), _("Cost")],
        days_cost=days_cost,
        busiest=max(chats.days, key=lambda day: day.cost),
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


def _bars(days: Sequence[Day]) -> Iterator[Bar]:
    width = CHART_WIDTH // len(days)
    most = max(day.cost for day in days)
    for index, day in enumerate(days):
        # What was spent can be seen, however little; a day without is a line.
        height = max(4, round(day.cost / most * CHART_HEIGHT)) if day.cost > 0 else 2
        yield Bar(date=day.date, cost=day.cost, x=index * width, y=CHART_HEIGHT - height, height=height)
