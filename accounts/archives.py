"""Archives of everything of a person: asked for, made, ready for some days, deleted.

A person has one at a time. Whoever makes it says so again and again (``moved_at``); when nobody did for ``LEASE``, the
process is gone and the next takes over, under another name. The name of a file stands in the row before the file is in
the storage and until it is out of it, so that none is forgotten there.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from secrets import token_urlsafe
from tempfile import TemporaryFile
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.mail import send_mail
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts import audit
from accounts.archiving import write_archive
from accounts.models import DataArchive, Profile, User
from wavelength.tenancy import tenant

State = DataArchive.State
# Shorter than a worker that is gone is missed for: whoever gets its job may go on at once.
LEASE = timedelta(seconds=45)
SAID_EVERY = 20  # seconds


class LostError(RuntimeError):
    """Another process makes the archive, or nobody wants it any more."""


def ask(*, user_id: UUID) -> bool:
    """Want an archive; the one before is deleted. False, changing nothing, while one is being made."""
    with tenant(user_id):
        User.objects.select_for_update(no_key=True).get(pk=user_id)
        found = DataArchive.objects.select_for_update().filter(user_id=user_id).first()
        if found is not None and found.state == State.MAKING:
            return False
        if found is not None:
            _forget(found)
        DataArchive.objects.create(user_id=user_id)
        audit.record(user_id, "archive.asked")
    return True


def ready(*, user_id: UUID) -> DataArchive | None:
    """The person's archive, if it can be downloaded now."""
    with tenant(user_id):
        return DataArchive.objects.filter(user_id=user_id, state=State.READY, expires_at__gt=Now()).first()


def make(*, user_id: UUID, is_last_try: bool = True) -> bool:
    """Make the archive that the person asked for, and write to them; False where nobody asked or another makes it.

    Call it outside any transaction. May be killed at any moment. When it raises, the person is told that it failed,
    if it `is_last_try`; else it can be called again at once.
    """
    name = _take(user_id)
    if name is None:
        return False
    try:
        with TemporaryFile() as file:
            write_archive(file, user_id, _saying(user_id, name))
            size = file.tell()
            file.seek(0)
            default_storage.save(name, File(file, name))
        _finish(user_id, name, size)
    except LostError:
        default_storage.delete(name)
        return False
    except Exception:
        with tenant(user_id):
            failed = DataArchive.objects.filter(user_id=user_id, file=name)
            if is_last_try:
                failed.update(state=State.FAILED)
            else:
                failed.update(moved_at=None)
        default_storage.delete(name)
        raise
    _write_to(user_id)
    return True


def delete_expired(*, user_id: UUID) -> bool:
    """Delete the person's archive if it was kept long enough; answers whether it was."""
    with tenant(user_id):
        expired = DataArchive.objects.select_for_update().filter(user_id=user_id, expires_at__lte=Now()).first()
        if expired is not None:
            _forget(expired)
    return expired is not None


def count_expired(*, user_id: UUID) -> int:
    """How many archives of the person `delete_expired` would delete: one or none."""
    with tenant(user_id):
        return DataArchive.objects.filter(user_id=user_id, expires_at__lte=Now()).count()


def _forget(archive: DataArchive) -> None:
    # Before the commit: afterwards nobody would know the name.
    if archive.file:
        default_storage.delete(archive.file)
    archive.delete()


def _take(user_id: UUID) -> str | None:
    with tenant(user_id):
        wanted = DataArchive.objects.select_for_update().filter(user_id=user_id, state=State.MAKING).first()
        if wanted is None or (wanted.moved_at is not None and wanted.moved_at > timezone.now() - LEASE):
            return None
        if wanted.file:
            default_storage.delete(wanted.file)
        name = f"archives/{token_urlsafe(32)}.zip"
        DataArchive.objects.filter(pk=wanted.pk).update(file=name, moved_at=Now())
    return name


def _saying(user_id: UUID, name: str) -> Callable[[], None]:
    said = time.monotonic()

    def say() -> None:
        nonlocal said
        if time.monotonic() - said < SAID_EVERY:
            return
        said = time.monotonic()
        with tenant(user_id):
            if not _mine(user_id, name).update(moved_at=Now()):
                raise LostError

    return say


def _finish(user_id: UUID, name: str, size: int) -> None:
    expires_at = Now() + timedelta(days=settings.ARCHIVE_RETENTION_DAYS)
    with tenant(user_id):
        if not _mine(user_id, name).update(state=State.READY, size=size, expires_at=expires_at):
            raise LostError


def _mine(user_id: UUID, name: str) -> QuerySet[DataArchive]:
    return DataArchive.objects.filter(user_id=user_id, file=name, state=State.MAKING)


def _write_to(user_id: UUID) -> None:
    with tenant(user_id):
        user = User.objects.get(pk=user_id)
        language = Profile.objects.values_list("language", flat=True).get(user_id=user_id)
    with override(language or settings.LANGUAGE_CODE):
        context = {"address": settings.SITE_URL + reverse("accounts:privacy"), "days": settings.ARCHIVE_RETENTION_DAYS}
        text = render_to_string("accounts/archive_letter.txt", context)
        # A mail server that is away must not undo what was made; the page tells the same.
        send_mail(_("Your archive is ready"), text, None, [user.email], fail_silently=True)
