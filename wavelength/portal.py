"""The request of a page, as its view knows it."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

if TYPE_CHECKING:
    from accounts.models import User


class PageRequest(HttpRequest):
    """A request of a signed-in person; `htmx` is true when only a fragment is wanted."""

    user: "User"
    htmx: HtmxDetails
