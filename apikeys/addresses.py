"""Where a key may be sent: the rules for a base URL that a person gives."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from apikeys.models import URL_LENGTH
from apikeys.providers import KeyRefusedError
from wavelength.outgoing import OutgoingError, Target, parse
from wavelength.ranges import Reach


def clean_base_url(text: str) -> str:
    """Answer a base URL as it is stored, without a slash at its end; empty stays empty.

    Raises KeyRefusedError unless it is https (or http to this machine, when the settings allow private
    addresses), without user name, query or fragment, and not the literal of a private address. Where its name
    leads is looked at with every call.
    """
    text = text.strip().rstrip("/")
    if not text:
        return ""
    if set(text) & set("?#") or "@" in text.partition("://")[2].partition("/")[0]:
        raise _refused(_("The base URL must not hold a user name, a query or a fragment."))
    try:
        target = parse(text)
    except OutgoingError:
        target = None
    if target is None or len(text) > URL_LENGTH:
        raise _refused(_("The base URL is not an address such as https://llm.example.com/v1."))
    reach, here = reach_given(), _is_this_machine(target)
    if target.scheme != "https" and not (here and reach is Reach.INSIDE):
        raise _refused(_("The base URL must begin with https://."))
    if (here and reach is Reach.PUBLIC) or (target.literal and not reach.allows(target.literal)):
        raise _refused(_("The base URL leads to a private address."))
    return text


def reach_given() -> Reach:
    """Answer how far an address that a person gave may lead."""
    return Reach.INSIDE if settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES else Reach.PUBLIC


def _is_this_machine(target: Target) -> bool:
    return target.host == "localhost" or (target.literal is not None and target.literal.is_loopback)


def _refused(sentence: str) -> KeyRefusedError:
    return KeyRefusedError("base_url", "invalid_base_url", sentence)
