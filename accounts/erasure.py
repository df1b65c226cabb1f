"""The end of an account: asked for, called off, and carried out once its time has come.

Carried out in two transactions. The first takes the data key, after which no secret of the person opens here any more,
and closes the account; the second takes everything else. A kill between or inside them costs nothing: `due('erasure')`
hands the person out until they are gone.
"""

from datetime import timedelta
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db import connections, transaction
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.urls import reverse

from accounts import audit
from accounts.models import DataArchive, DataKey, ErasureRequest, Session, User, Way
from wavelength.addresses import absolute
from wavelength.tenancy import nobody, tenant


def ask(*, user_id: UUID, way: Way = Way.ASKED) -> ErasureRequest:
    """Have the person erased DEACTIVATED_RETENTION_DAYS from now; asking again changes nothing."""
    with tenant(user_id):
        User.objects.select_for_update(no_key=True).get(pk=user_id)
        found = ErasureRequest.objects.filter(user_id=user_id).first()
        if found is not None:
            return found
        audit.record(user_id, "account.erasure_asked")
        return schedule(user_id, way=way)


def call_off(*, user_id: UUID) -> bool:
    """Let the person stay; answers whether there was something to call off."""
    with tenant(user_id):
        called_off = unschedule(user_id)
        if called_off:
            audit.record(user_id, "account.erasure_called_off")
    return called_off


def schedule(user_id: UUID, *, way: Way) -> ErasureRequest:
    """Begin the days of grace anew, inside the person's ``tenant()``, their row locked."""
    happens_at = Now() + timedelta(days=settings.DEACTIVATED_RETENTION_DAYS)
    request, _created = ErasureRequest.objects.update_or_create(
        user_id=user_id, defaults={"way": way, "asked_at": Now(), "happens_at": happens_at}
    )
    request.refresh_from_db()
    return request


def unschedule(user_id: UUID) -> bool:
    """Forget that the person was to be erased, inside their ``tenant()``; not once it has begun."""
    deleted, _ = ErasureRequest.objects.filter(user_id=user_id, begun_at=None).delete()
    return bool(deleted)


def erase(*, user_id: UUID, at_once: bool = False) -> bool:
    """Take everything of a person whose time has come; answers whether they are gone now.

    ``at_once`` does not wait for their time. Killed at any moment, it can be run again. Call it outside any
    transaction.
    """
    with nobody():
        return _shred(user_id, at_once=at_once) and _remove(user_id)


def send_erasure_letter(request: HttpRequest, user: User, asked: ErasureRequest) -> None:
    """Tell a person by mail what was asked for and where it can be called off, once the transaction is through."""
    context = {
        "user": user,
        "happens_at": asked.happens_at,
        "privacy_url": absolute(request, reverse("accounts:privacy")),
        "current_site": get_current_site(request),
    }
    letter = get_adapter().render_mail("account/email/erasure", user.email, context)
    # A mail server that is away must not undo or fail what was asked for; the page tells the same.
    transaction.on_commit(letter.send, robust=True)


def _shred(user_id: UUID, *, at_once: bool) -> bool:
    with tenant(user_id):
        # In the order in which having the account back locks them.
        if User.objects.select_for_update(no_key=True).filter(pk=user_id).first() is None:
            return False
        if at_once:
            ErasureRequest.objects.filter(user_id=user_id, happens_at__gt=Now()).update(happens_at=Now())
        due = ErasureRequest.objects.filter(user_id=user_id, happens_at__lte=Now())
        if not due.update(begun_at=Coalesce("begun_at", Now())):
            return False
        DataKey.objects.filter(user_id=user_id).delete()
        # Without the moment, no link in a letter fits any more.
        User.objects.filter(pk=user_id).update(is_active=False, deactivated_at=None)
        Session.objects.filter(user_id=user_id).delete()
        UserSession.objects.filter(user_id=user_id).delete()
    return True


def _remove(user_id: UUID) -> bool:
    with tenant(user_id):
        archive = DataArchive.objects.select_for_update().filter(user_id=user_id).first()
        with connections["default"].cursor() as cursor:
            # All of a person in one statement may take longer than anything else may.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SELECT erase_person(%s)", [user_id])
            [avatar] = cursor.fetchone() or (None,)
        # Before the commit: were it to fail afterwards, nobody would know the files' names any more.
        for name in (avatar, archive and archive.file):
            if name and avatar is not None:
                default_storage.delete(name)
    cache.delete(f"reactivation-letter:{user_id}")
    return avatar is not None
