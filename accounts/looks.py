"""An administrator's look at a person is an event of that person's, noted before anything is shown.

The person learns neither who looked nor from where: that is the administrator's own. Other administrators can tell
from the event's address, device and request id, and from a mark that is the same for one administrator.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import ForeignKey, Model
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import AuditEvent, User
from wavelength.tenancy import nobody, tenant

KIND: Final = "account.looked_at"
# The same administrator, at the same kind of page of the same person, again within this time is the same look.
ONE_LOOK: Final = timedelta(minutes=15)
COMMAND: Final = "command"
# What is looked at, by the page's model or the command's part; what stands not here is told as the account.
SUBJECTS: Final[Mapping[str, str | Promise]] = {
    "accounts.apitoken": _("API tokens, without what is secret"),
    "accounts.auditevent": _("Activity of your account"),
    "accounts.anonymoussession": _("Browsers"),
    "accounts.datakey": _("State of the encryption"),
    "account.emailaddress": _("E-mail address"),
    "apikeys.apikey": _("Provider keys, without what is secret"),
    "chats.handover": _("Reports of hand-overs, without chats"),
    "socialaccount.socialaccount": _("Connected accounts"),
    "usage.quotalimit": _("Usage limits"),
    "usage.reservation": _("Usage"),
    "usage.usagerecord": _("Usage"),
}


def note_shown(administrator: UUID, page: str, rows: Iterable[Model]) -> None:
    """Note that an administrator is about to be shown these rows, where all of them are of one other person.

    ``page`` is the model's label in small letters.
    """
    people = {person_of(row) for row in rows}
    if len(people) != 1:
        return
    [user_id] = people
    if user_id is not None and user_id != administrator:
        note_look(user_id, page, mark=audit.mark_of(administrator))


def note_look(user_id: UUID, page: str, *, mark: str = COMMAND) -> None:
    """Note a look at a person, unless the same was noted a moment ago."""
    with nobody(), tenant(user_id):
        lately = AuditEvent.objects.filter(kind=KIND, at__gt=Now() - ONE_LOOK)
        if not lately.filter(details__page=page, details__mark=mark).exists():
            audit.record(user_id, "account.looked_at", page=page, mark=mark)


def person_of(row: Model) -> UUID | None:
    """Whose row it is: the person's own, or the one that it leads to."""
    if isinstance(row, User):
        return row.pk
    for field in row._meta.concrete_fields:
        if isinstance(field, ForeignKey) and field.related_model is User:
            owner: UUID | None = getattr(row, field.attname)
            return owner
    return None
