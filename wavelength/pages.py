"""`/`: the welcome page for who is not signed in, else the overview, which knows every app; and the advice on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.arrivals import carry, unpack
from accounts.models import User
from accounts.shell import shell_of
from apikeys import vault
from apikeys.advice import key_advice
from apikeys.models import ApiKey
from chats.figures import ChatFigures, chat_figures
from chats.models import Handover
from usage import recommendations
from usage.live import version_of
from usage.meters import ShownQuota, shown_quotas
from usage.quotas import Quota, quotas_of
from usage.recommendations import Advice, advice_of
from usage.reports import Report, Share, Span, ranges_of, report_of, report_within
from usage.showing import ShownReport, shown_report
from wavelength.portal import PageRequest

LATEST_CHATS = 6
MODELS_SHOWN = 5


@require_safe
@vary_on_headers("HX-Request")
def home(request: HttpRequest) -> HttpResponse:
    """Welcome, or overview. Who signed in with chats in their browser is led to where these are brought in, once."""
    anonymous_id = request.GET.get("anonymous_id")
    if shell_of(request) is None:
        if anonymous_id is not None:
            carry(request, anonymous_id=anonymous_id)
            return redirect("home")  # an address without the id, which would stand in the history
        return render(request, "pages/welcome.html")
    if unpack(request) and not Handover.objects.exclude(finished_at=None).exists():
        return redirect("chats:import")
    return _overview(cast("PageRequest", request))


def _overview(request: PageRequest) -> HttpResponse:
    if request.htmx:
        return render(request, "pages/overview.html#figures", {"overview": overview_of(request.user)})
    live = version_of(request.user.pk)
    overview = overview_of(request.user, request.GET.get("dismissed", ""))
    return render(request, "pages/overview.html", {"live": live, "overview": overview})


@login_required
@require_POST
@vary_on_headers("HX-Request")
def advice_dismissal(request: PageRequest) -> HttpResponse:
    """Say one piece of advice no more: the one of this `kind` and `subject`."""
    shell_of(request)  # advice names moments, in the person's time zone
    said = advice_for(request.user)
    wanted = request.POST.get("kind"), request.POST.get("subject")
    advice = next((each for each in said.advice if (each.kind, each.subject) == wanted), None)
    if advice is None:
        raise Http404
    recommendations.dismiss(user_id=request.user.pk, advice=advice)
    said = Counsel([each for each in said.advice if each is not advice], advice)
    query = urlencode({"dismissed": f"{advice.kind}.{advice.subject}"})
    return _counsel_page(request, said, f"{reverse('home')}?{query}#advice")


@login_required
@require_POST
@vary_on_headers("HX-Request")
def advice_return(request: PageRequest) -> HttpResponse:
    """Undo a dismissal."""
    shell_of(request)
    kind, subject = request.POST.get("kind", ""), request.POST.get("subject", "")
    if not recommendations.take_back(user_id=request.user.pk, kind=kind, subject=subject):
        raise Http404
    return _counsel_page(request, advice_for(request.user), f"{reverse('home')}#advice")


def _counsel_page(request: PageRequest, counsel: "Counsel", page: str) -> HttpResponse:
    if not request.htmx:
        return redirect(page)
    return render(request, "pages/overview.html#advice", {"counsel": counsel})


@dataclass(frozen=True, slots=True)
class Step:
    """Something a new account does first."""

    title: str
    text: str
    action: str
    url: str
    done: bool


@dataclass(frozen=True, slots=True)
class Counsel:
    """Advice, what cannot wait first, without what was dismissed; `undo` is what was dismissed just now."""

    advice: list[Advice]
    undo: Advice | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """What the overview shows: this month against the last one, the last 30 days, chats, quotas and advice."""

    chats: ChatFigures
    month: ShownReport
    recent: ShownReport
    models: list[Share]
    quotas: list[ShownQuota]
    counsel: Counsel
    steps: list[Step]
    is_new: bool


def overview_of(user: User, dismissed: str = "") -> Overview:
    """A person's figures, in their own time zone; `dismissed` names advice that may still be taken back."""
    ranges = ranges_of(user_id=user.pk, spans=[Span.MONTH, Span.RECENT])
    month, recent = (report_within(asked, user_id=user.pk) for asked in ranges)
    chats = chat_figures(user_id=user.pk, since=month.starts, latest=LATEST_CHATS)
    keys, quotas = vault.keys_of(user.pk), quotas_of(user_id=user.pk)
    return Overview(
        chats=chats,
        month=shown_report(month),
        recent=shown_report(recent),
        models=recent.models[:MODELS_SHOWN],
        quotas=shown_quotas(quotas),
        counsel=_counsel(user, recent, quotas, keys, dismissed),
        steps=[] if chats.chats and keys else list(_steps(user, has_chats=chats.chats > 0, has_keys=bool(keys))),
        is_new=not chats.chats and not keys and not recent.totals.requests,
    )


def advice_for(user: User) -> Counsel:
    """What is worth saying to a person now, and was not dismissed."""
    report = report_of(user_id=user.pk, span=Span.RECENT)
    return _counsel(user, report, quotas_of(user_id=user.pk), vault.keys_of(user.pk), "")


def _counsel(user: User, report: Report, quotas: list[Quota], keys: list[ApiKey], dismissed: str) -> Counsel:
    advice = [*key_advice(keys, report.ends), *advice_of(tier=user.tier, report=report, quotas=quotas)]
    if not advice:
        return Counsel([])
    unwanted = recommendations.dismissed(user_id=user.pk, at=report.ends)
    left = [each for each in advice if (each.kind.value, each.subject) not in unwanted]
    gone = (each for each in advice if (each.kind.value, each.subject) in unwanted)
    undo = next((each for each in gone if f"{each.kind}.{each.subject}" == dismissed), None)
    return Counsel(sorted(left, key=lambda each: not each.urgent), undo)


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
