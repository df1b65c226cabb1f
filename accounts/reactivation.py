"""The page behind the link that is mailed to a deactivated account's owner."""

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.deactivation import LinkError, check_link, reactivate


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def account_reactivation(request: HttpRequest, token: str) -> HttpResponse:
    """Ask first, since mail programs follow links by themselves; the POST switches the account on."""
    try:
        if request.method != "POST":
            check_link(token)
            return render(request, "account/reactivation.html")
        reactivate(token)
    except LinkError as error:
        context = {"error": f"{error} {_('Sign in with your password, and we mail you a new one if you need it.')}"}
        return render(request, "account/reactivation.html", context, status=410)
    # Whoever is signed in here may be somebody else.
    logout(request)
    messages.success(request, _("Your account is active again. Sign in."))
    return HttpResponseRedirect(reverse("account_login"))
