"""The security page: ways in, browsers that are signed in, what happened lately."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.activity import activity_page, latest_activity
from accounts.browsers import browsers_of, end_browser, end_other_browsers
from accounts.confirming import confirmed
from accounts.security import ways_in
from wavelength.portal import PageRequest

ACTIVITY_SHOWN = 6
ACTIVITY_ON_A_PAGE = 30


@login_required
@require_safe
def security(request: PageRequest) -> HttpResponse:
    """How one signs in and from where, and what happened lately."""
    browsers = browsers_of(request.user, here=request.session.session_key)
    context = {
        "ways": ways_in(request, request.user),
        "browsers": browsers,
        "others": any(not browser.here for browser in browsers),
        "events": latest_activity(ACTIVITY_SHOWN),
    }
    return render(request, "accounts/security.html", context)


@login_required
@require_safe
@vary_on_headers("HX-Request")
def activity(request: PageRequest) -> HttpResponse:
    """All that happened to the account, by pages."""
    before = request.GET.get("before", "")
    page = activity_page(ACTIVITY_ON_A_PAGE, before=before)
    return render(request, "accounts/activity.html", {"page": page, "is_first": not before})


@login_required
@require_POST
@confirmed
def browser_end(request: PageRequest, browser_id: int) -> HttpResponse:
    """Sign out one of the browsers."""
    if not end_browser(user_id=request.user.pk, browser_id=browser_id):
        raise Http404
    messages.success(request, _("That browser is signed out."))
    return redirect("accounts:security")


@login_required
@require_POST
@confirmed
def other_browsers_end(request: PageRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    ended = end_other_browsers(user_id=request.user.pk, here=request.session.session_key)
    text = ngettext("%(count)d other browser is signed out.", "%(count)d other browsers are signed out.", ended)
    messages.success(request, text % {"count": ended} if ended else _("You were signed in nowhere else."))
    return redirect("accounts:security")
