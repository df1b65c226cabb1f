"""A code by mail, by which somebody shows who they are who has nothing else to show: they sign in with a provider, and
have neither password nor second factor.

The session it was asked for in keeps an HMAC of it, which is worth nothing without SECRET_KEY.
"""

import time
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows import reauthentication
from allauth.core.internal.cryptokit import normalize_user_code
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from wavelength.addresses import absolute
from wavelength.limits import spend

FLOW: Final = "mailed_code"
KEPT: Final = "accounts_mailed_code"  # the session's key
MINUTES: Final = 15
TRIES: Final = 5


class CodeGoneError(Exception):
    """No code was mailed for this session, or it is too old, was used, or was guessed at too often."""


def offer_codes() -> None:
    """Have allauth ask people who have nothing else for a mailed code.

    It takes them for confirmed (`did_recently_reauthenticate`), and its adapter has no say in that.
    """
    known = reauthentication.get_reauthentication_flows

    def with_codes(user: Any) -> list[dict[str, Any]]:
        return known(user) or ([{"id": FLOW}] if user.is_authenticated else [])

    reauthentication.get_reauthentication_flows = with_codes


def mail_code(request: HttpRequest, user: User) -> None:
    """Mail a new code, that takes the place of one before. Raises TooOftenError, and OSError where no mail went out."""
    spend("mailed_codes", user.pk)
    code = get_adapter().generate_login_code()
    context = {"code": code, "minutes": MINUTES, "page": absolute(request, reverse("accounts:security"))}
    get_adapter().send_mail("account/email/confirmation_code", user.email, context)
    request.session[KEPT] = {"code": _kept(user, code), "until": time.time() + MINUTES * 60, "tries": 0}


def is_code_out(request: HttpRequest) -> bool:
    """Whether a code was mailed for this session that can still be shown."""
    kept = request.session.get(KEPT)
    return kept is not None and time.time() < kept["until"] and kept["tries"] < TRIES


def take_code(request: HttpRequest, user: User, code: str) -> bool:
    """Whether this is the code mailed for this session to the address that the person has now; it works once.

    Raises CodeGoneError. Several tries at once may count as one: allauth limits them by person and minute beside this.
    """
    if not is_code_out(request):
        raise CodeGoneError
    kept = request.session[KEPT]
    if constant_time_compare(kept["code"], _kept(user, code)):
        del request.session[KEPT]
        return True
    request.session[KEPT] = {**kept, "tries": kept["tries"] + 1}
    return False


def _kept(user: User, code: str) -> str:
    told = f"{user.pk} {user.email} {normalize_user_code(code)}"
    return salted_hmac("wavelength.accounts.mailed_codes", told, algorithm="sha256").hexdigest()
