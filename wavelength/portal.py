"""The portal's sections, and the request of a page as its view knows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_htmx.middleware import HtmxDetails

if TYPE_CHECKING:
    from accounts.models import User


class PageRequest(HttpRequest):
    """A request of a signed-in person; `htmx` is true when only a fragment is wanted."""

    user: "User"
    htmx: HtmxDetails


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the navigation: the name of its address, its words, its symbol, and what else belongs to it."""

    name: str
    label: str | Promise
    icon: str
    also: str = ""


# In the order in which they are shown; a page belongs to the section whose address (or `also`) it begins with.
SECTIONS: Final[tuple[tuple[str | Promise, tuple[Section, ...]], ...]] = (
    (
        _("Workspace"),
        (
            Section("home", _("Overview"), "overview"),
            Section("chats:chat-list", _("Chats"), "chats"),
            Section("usage:report", _("Usage"), "usage"),
            Section("apikeys:key-list", _("Keys"), "key"),
            Section("chats:import", _("Import"), "import"),
        ),
    ),
    (
        _("Account"),
        (
            Section("accounts:profile", _("Profile"), "person"),
            Section("accounts:security", _("Security"), "shield", also="/accounts/"),
            Section("accounts:privacy", _("Privacy"), "privacy"),
            Section("accounts:developers", _("Developers"), "code"),
        ),
    ),
)
