"""The second factor that the admin opens with."""

from typing import Final

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import urlencode
from django.utils.translation import gettext as _

# Recovery codes alone are none: they stand in for one of these.
SECOND_FACTORS: Final = ("totp", "webauthn")


def way_to_second_factor(request: HttpRequest) -> HttpResponseRedirect | None:
    """Where to set one up, or to show it where this session has not; None when it has."""
    if not is_mfa_enabled(request.user, SECOND_FACTORS):
        messages.warning(request, _("The admin opens only with a second factor. Set one up, then come back."))
        return redirect("mfa_activate_totp")
    if any(shown.get("method") == "mfa" for shown in get_authentication_records(request, request.user)):
        return None
    # Signed in before there was one.
    ways = get_adapter().get_reauthentication_methods(request.user)
    way = next(way for way in ways if way["id"].startswith("mfa_reauthenticate"))
    return HttpResponseRedirect(f"{way['url']}?{urlencode({'next': request.get_full_path()})}")
