"""Asking once more who one is, before what cannot be taken back."""

import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast

from allauth.account import app_settings
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode

from wavelength.addresses import absolute
from wavelength.contract import ApiError
from wavelength.middleware import is_bearer
from wavelength.portal import PageRequest

P = ParamSpec("P")
View = Callable[Concatenate[PageRequest, P], HttpResponseBase]


def confirmed(view: View[P]) -> View[P]:
    """Serve a view to someone who gave their password or second factor in the last minutes; ask for it else.

    What was posted waits in the session until then and is done right after: use it where no secret is posted.
    """
    return cast("View[P]", reauthentication_required(view, app="accounts"))


def require_confirmed(request: HttpRequest, *, page: str) -> None:
    """Let a call of the API pass whose person confirmed who they are, or signed in, in the last minutes.

    Raises ApiError 403 else, with the address where one confirms, which then leads to the page of that name. A token
    confirms nothing.
    """
    if not is_bearer(request) and (
        _signed_in_lately(request) or not is_reauthentication_required(request, app="accounts")
    ):
        return
    confirm = f"{reverse('account_reauthenticate')}?{urlencode({'next': reverse(page)})}"
    raise ApiError(
        403,
        "reauthentication_required",
        "Confirm that it is you on the privacy page of your account, then try again.",
        url=absolute(request, confirm),
    )


def _signed_in_lately(request: HttpRequest) -> bool:
    lately = time.time() - app_settings.REAUTHENTICATION_TIMEOUT
    return any(shown["at"] > lately for shown in get_authentication_records(request, request.user))
