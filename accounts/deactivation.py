"""Leaving, and coming back: an owner's account switched off, and the link that switches it on again."""

from datetime import timedelta
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import audit, erasure
from accounts.models import ApiToken, Session, User, Way
from wavelength.addresses import absolute
from wavelength.tenancy import nobody, tenant

SALT = "accounts.reactivation"
# One letter in so many seconds, however often somebody tries to sign in.
LETTER_INTERVAL = 60


class LinkError(ValueError):
    """The link is not ours, is too old, or was used."""


def deactivate(*, user_id: UUID) -> User:
    """Refuse further sign-in, end every session and every token; undone by ``reactivate``, but for the tokens, until
    the account is erased, DEACTIVATED_RETENTION_DAYS from now.

    Doing it again changes nothing.
    """
    with tenant(user_id):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        if user.deactivated_at is None:
            User.objects.filter(pk=user_id).update(is_active=False, deactivated_at=Now())
            user.refresh_from_db(fields=["is_active", "deactivated_at"])
            erasure.schedule(user_id, way=Way.DEACTIVATED)
            audit.record(user_id, "account.deactivated")
        Session.objects.filter(user_id=user_id).delete()
        UserSession.objects.filter(user_id=user_id).delete()
        ApiToken.objects.filter(user_id=user_id).delete()
    return user


def reactivate(token: str) -> User:
    """Switch the account of a link on again; the link works once. Raises LinkError."""
    with transaction.atomic():
        user = _owner_of_link(token, lock=True)
        User.objects.filter(pk=user.pk).update(is_active=True, deactivated_at=None)
        with nobody(), tenant(user.pk):
            erasure.unschedule(user.pk)
            audit.record(user.pk, "account.reactivated")
    return user


def check_link(token: str) -> None:
    """Changes nothing. Raises LinkError when the link would not work."""
    _owner_of_link(token)


def send_reactivation_link(request: HttpRequest, user: User) -> None:
    """Mail a deactivated account's owner the way back, once the transaction is through."""
    if user.deactivated_at is None or not cache.add(f"reactivation-letter:{user.pk}", 1, LETTER_INTERVAL):
        return
    address = absolute(request, reverse("account_reactivation", args=[reactivation_token(user)]))
    context = {
        "user": user,
        "reactivation_url": address,
        "days": settings.DEACTIVATED_RETENTION_DAYS,
        "current_site": get_current_site(request),
    }
    letter = get_adapter().render_mail("account/email/reactivation", user.email, context)
    # A mail server that is away must not undo or fail what was asked for; signing in sends another.
    transaction.on_commit(letter.send, robust=True)


def reactivation_token(user: User) -> str:
    """What a reactivation link carries: signed, timed, and for this one deactivation."""
    moment = user.deactivated_at.isoformat() if user.deactivated_at else ""
    return signing.dumps([str(user.pk), moment], salt=SALT)


def _owner_of_link(token: str, *, lock: bool = False) -> User:
    age = timedelta(days=settings.DEACTIVATED_RETENTION_DAYS)
    try:
        user_id, moment = signing.loads(token, salt=SALT, max_age=age)
    except signing.BadSignature as error:
        raise LinkError(_("This link has expired.")) from error
    people = User.objects.select_for_update(no_key=True) if lock else User.objects.all()
    user = people.filter(pk=user_id, deactivated_at=moment).first()
    if user is None:
        raise LinkError(_("This link was used already."))
    return user
