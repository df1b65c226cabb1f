"""Asking once more who one is, before what cannot be taken back."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast

from allauth.account.decorators import reauthentication_required
from django.http.response import HttpResponseBase

from wavelength.portal import PageRequest

P = ParamSpec("P")
View = Callable[Concatenate[PageRequest, P], HttpResponseBase]


def confirmed(view: View[P]) -> View[P]:
    """Serve a view to someone who gave their password or second factor in the last minutes; ask for it else.

    What was posted waits in the session until then and is done right after: use it where no secret is posted.
    """
    return cast("View[P]", reauthentication_required(view, app="accounts"))
