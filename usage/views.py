"""The usage page: what was used in a range of days, of what, over time, and what is left of the quotas."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import reswap, retarget, trigger_client_event

from usage.asking import Asked
from usage.exporting import as_csv, as_json, lines_of, note_export
from usage.forms import PROVIDERS, BudgetForm, BudgetRemovalForm, FilterForm, RangeForm, ReportForm
from usage.live import version_of
from usage.meters import ShownQuota, shown_quotas
from usage.models import Period
from usage.quotas import BudgetError, Quota, quotas_of, remove_budget, set_budget, windows_of
from usage.reports import Span, range_of, report_of
from usage.showing import LINES_SHOWN, periods, shown_usage
from usage.standing import of_everything
from wavelength.portal import PageRequest
from wavelength.toasts import ToastAction, offer


@login_required
@require_safe
@vary_on_headers("HX-Request")
def report(request: PageRequest) -> HttpResponse:
    """What one used in a range of days, and what one may use."""
    form = ReportForm(request.GET)
    if not form.is_valid():
        return redirect("usage:report")
    asked, days = _with_days(form.asked, request)
    context: dict[str, Any] = {
        "live": version_of(request.user.pk),  # before any figure
        "asked": asked,
        "periods": periods(asked),
        "days": days,
        "quotas": _quotas(request.user.pk),
    }
    if asked.span is not Span.CUSTOM or days.is_valid():
        found = report_of(
            user_id=request.user.pk, span=asked.span, first=asked.first, last=asked.last, only=asked.only,
            by=asked.by, skipped=(asked.page - 1) * LINES_SHOWN, listed=LINES_SHOWN,
        )  # fmt: skip
        context |= {"usage": shown_usage(found, asked), "filters": FilterForm(asked.only, found.choices)}
        context["days"] = days if days.is_bound else RangeForm(initial={"from": found.range.first, "to": days.today})
    return render(request, "usage/report.html#report" if request.htmx else "usage/report.html", context)


@non_atomic_requests
@login_required
@require_safe
def export(request: PageRequest) -> HttpResponseBase:
    """All the lines that the usage page shows with these parameters, as CSV or (`format=json`) as JSON."""
    form = ReportForm(request.GET)
    if not form.is_valid():
        return redirect("usage:report")
    asked, days = _with_days(form.asked, request)
    if asked.span is Span.CUSTOM and not days.is_valid():
        return redirect(f"{reverse('usage:report')}?{request.GET.urlencode()}")  # which says what is wrong
    shown = range_of(user_id=request.user.pk, span=asked.span, first=asked.first, last=asked.last)
    note_export(user_id=request.user.pk, shown=shown)
    lines = lines_of(user_id=request.user.pk, shown=shown, only=asked.only)
    if request.GET.get("format") == "json":
        response = StreamingHttpResponse(as_json(lines, shown, asked), content_type="application/json")
        ending = "json"
    else:
        response = StreamingHttpResponse(as_csv(lines, shown), content_type="text/csv; charset=utf-8")
        ending = "csv"
    name = f"usage-{shown.first}-to-{shown.last}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def budget_create(request: PageRequest) -> HttpResponse:
    """Set a budget, or another in its place."""
    quotas = quotas_of(user_id=request.user.pk)
    used = report_of(user_id=request.user.pk, span=Span.RECENT).providers
    named = [*(share.origin.provider for share in used), *(quota.provider for quota in quotas)]
    providers = {*PROVIDERS, *filter(None, named)}
    if request.method == "POST":
        form = BudgetForm(request.POST, providers=providers)
        if form.is_valid() and _set_budget(request, form):
            return _done(request, _("Your budget is set."))
    else:
        period, provider = request.GET.get("period", Period.MONTHLY), request.GET.get("provider", "")
        initial = {"period": period, "provider": provider, **_budget(quotas, period, provider)}
        form = BudgetForm(initial=initial, providers=providers)
    context = {"form": form, "in_page": not request.htmx}
    if not request.htmx:
        return render(request, "usage/budget_form.html", context)
    # Also where it was the undoing of a removal that could not be.
    return reswap(retarget(render(request, "usage/budget_form.html#panel", context), "#dialog"), "innerHTML")


@login_required
@require_POST
def budget_removal(request: PageRequest) -> HttpResponse:
    """Remove the budget that `period` and `provider` name."""
    form = BudgetRemovalForm(request.POST)
    if not form.is_valid():
        return redirect("usage:report")
    period, provider = Period(form.cleaned_data["period"]), form.cleaned_data["provider"]
    before = _budget(quotas_of(user_id=request.user.pk), period, provider)
    if not remove_budget(user_id=request.user.pk, period=period, provider=provider or None):
        return _done(request, _("There was no such budget any more."))
    said = {name: "" if value is None else f"{value:f}" for name, value in before.items()}
    undo = ToastAction(
        label=_("Undo"),
        url=reverse("usage:budget-create"),
        fields={"period": period.value, "provider": provider, **said},
        target="#quotas",
    )
    offer(request, _("Your budget is removed."), undo)
    return _done(request)


def _with_days(asked: Asked, request: PageRequest) -> tuple[Asked, RangeForm]:
    if asked.span is not Span.CUSTOM:
        return asked, RangeForm()
    days = RangeForm(request.GET)
    if not days.is_valid():
        return asked, days
    first, last = days.days
    return replace(asked, first=first, last=last), days


def _quotas(user_id: UUID) -> list[ShownQuota]:
    return shown_quotas(quotas_of(user_id=user_id), windows_of(user_id=user_id))


def _budget(quotas: list[Quota], period: str, provider: str) -> dict[str, Decimal | None]:
    """Its cost and its tokens; none of both where there is no such budget."""
    for quota in of_everything(quotas):
        if (quota.period, quota.provider, quota.model) == (period, provider, ""):
            tokens, cost = quota.own_token_limit, quota.own_cost_limit
            return {
                "tokens": None if tokens is None else Decimal(tokens),
                "cost": None if cost is None else cost.normalize(),
            }
    return {"tokens": None, "cost": None}


def _set_budget(request: PageRequest, form: BudgetForm) -> bool:
    said = form.cleaned_data
    try:
        set_budget(
            user_id=request.user.pk, period=Period(said["period"]), provider=said["provider"] or None,
            tokens=said["tokens"], cost=said["cost"],
        )  # fmt: skip
    except BudgetError as refused:
        form.add_error(refused.field or None, str(refused))
        return False
    return True


def _done(request: PageRequest, sentence: str = "") -> HttpResponse:
    if sentence:
        messages.success(request, sentence)
    if not request.htmx:
        return redirect(f"{reverse('usage:report')}#quotas")
    response = render(request, "usage/_quotas.html", {"quotas": _quotas(request.user.pk)})
    return trigger_client_event(reswap(retarget(response, "#quotas"), "outerHTML"), "dialog:done", after="swap")
