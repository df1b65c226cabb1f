"""The usage page: what was used in a period, of what, over time, and what is left of the quotas."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from usage.forms import FilterForm, ReportForm
from usage.meters import shown_quotas
from usage.quotas import quotas_of
from usage.reports import report_of
from usage.showing import shown_report
from wavelength.portal import PageRequest


@login_required
@require_safe
@vary_on_headers("HX-Request")
def report(request: PageRequest) -> HttpResponse:
    """What one used in a period, and what one may use."""
    asked = ReportForm(request.GET)
    if not asked.is_valid():
        return redirect("usage:report")
    found = report_of(user_id=request.user.pk, span=asked.span, only=asked.origin)
    context = {
        "report": shown_report(found, asked.origin),
        "filters": FilterForm(asked.origin, found.choices),
        "quotas": shown_quotas(quotas_of(user_id=request.user.pk)),
    }
    return render(request, "usage/report.html#report" if request.htmx else "usage/report.html", context)
