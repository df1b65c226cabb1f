"""What is said of a key after its provider was asked. Kept in English, told in the language that is spoken."""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop

from apikeys.providers import Provider
from wavelength.outgoing import Failure
from wavelength.templatetags.figures import count

# What a status says of a key.
SAYINGS: Final = {
    200: (None, gettext_noop("%(provider)s answered with something that is no list of models. Check the base URL.")),
    401: (False, gettext_noop("%(provider)s does not know this key. Check that it was copied whole and not revoked.")),
    403: (False, gettext_noop("%(provider)s refuses this key: it may not list models. Check its permissions.")),
    429: (None, gettext_noop("%(provider)s is limiting requests, so the key could not be checked. Try again later.")),
}
FAULT: Final = (
    None,
    gettext_noop("%(provider)s has a fault (%(status)s), so the key could not be checked. Try again later."),
)
ODD: Final = (None, gettext_noop("%(provider)s answered unexpectedly (%(status)s), so the key could not be checked."))
UNASKED: Final = gettext_noop("%(provider)s could not be asked.")
TOO_LONG: Final = gettext_noop("Its answer was too long. Check the base URL.")
NO_ANSWER: Final = {
    Failure.NO_ADDRESS: gettext_noop("Its address could not be found. Check the base URL."),
    Failure.UNKNOWN_HOST: gettext_noop("Its address could not be found. Check the base URL."),
    Failure.NOT_ALLOWED: gettext_noop("The base URL leads to a private address."),
    Failure.NO_CONNECTION: gettext_noop("No connection could be made. Check the base URL, or try again later."),
    Failure.LATE: gettext_noop("It did not answer in time. Try again later."),
    Failure.BROKEN: gettext_noop("The connection broke off. Try again later."),
}


def in_words(sentence: str, provider: Provider) -> str:
    """A verdict's sentence, which is kept in English, in the language that is spoken."""
    unasked = UNASKED % {"provider": provider.label}
    if sentence.startswith(unasked):
        return f"{gettext(UNASKED) % {'provider': provider.label}} {gettext(sentence.removeprefix(unasked).strip())}"
    status = re.search(r"\((\d{3})\)", sentence)
    form = sentence.replace(provider.label, "%(provider)s", 1)
    if status:
        form = form.replace(status[0], "(%(status)s)", 1)
    return gettext(form) % {"provider": provider.label, "status": status[1] if status else ""}


# Where a key was found.
EXPOSED: Final = {
    "chat": gettext_noop("This key stands in the text of a chat of yours."),
    "key": gettext_noop("This key stands in the name or address of a key of yours."),
    "profile": gettext_noop("This key stands in your profile."),
    "usage": gettext_noop("This key was sent as the name of a model or provider."),
    "request": gettext_noop("This key was sent in an address or field that is not for keys."),
}
COUNSEL: Final = {
    "failing": gettext_noop("Make a new key at its provider and replace this one, or switch it off."),
    "unusual": gettext_noop("If that was not you, revoke it at its provider and replace it here."),
    "exposed": gettext_noop(
        "Whoever reads that can use it: revoke it at its provider, replace it here, and delete it there."
    ),
}


def flag_sentence(reason: str, details: Mapping[str, Any]) -> str:
    """What was noticed of a key, in the language that is spoken."""
    if reason == "failing":
        return gettext("Its provider refuses this key.")
    if reason == "exposed":
        return gettext(EXPOSED[details["place"]])
    figures = {name: count(details[name]) for name in ("requests", "usual", "days")}
    said = gettext("%(requests)s requests in one day; on a usual one there are %(usual)s (median of %(days)s days).")
    return said % figures


def flag_counsel(reason: str) -> str:
    """What to do about that, in the language that is spoken."""
    return gettext(COUNSEL[reason])
