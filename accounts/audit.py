"""The audit trail: what happened to an account, only ever added to.

An event also says who did it, from which address and device, and in which request; that comes from the request being
served (wavelength/caller.py), so nobody passes it on.
"""

from typing import Any, Final, TypedDict
from uuid import UUID

from django.db import connections
from django.utils.crypto import salted_hmac

from accounts.models import Actor, AuditEvent, User
from wavelength.caller import Caller, current_caller
from wavelength.console import is_at_the_console
from wavelength.ids import uuid7
from wavelength.tenancy import nobody, tenant

COMMAND_LINE: Final = "manage.py"


class Origin(TypedDict):
    """Where an event comes from."""

    actor: Actor
    address: str | None
    device: str | None
    request_id: str | None


def record(user_id: UUID, kind: str, **details: Any) -> None:
    """Add an event to the person's trail, inside their ``tenant()``; details hold no secret.

    Of what an administrator does in the admin, details hold the administrator's ``mark`` as well.
    """
    origin = origin_of_event(user_id)
    person = getattr(getattr(current_caller(), "request", None), "user", None)
    if isinstance(person, User) and origin["actor"] == Actor.OPERATOR:
        details["mark"] = mark_of(person.pk)
    AuditEvent.objects.create(user_id=user_id, kind=kind, details=details, **origin)


def record_for(user_id: UUID, kind: str, **details: Any) -> None:
    """The same where the person is not the one being served: at signing in, from a link in a letter."""
    with nobody(), tenant(user_id):
        record(user_id, kind, **details)


def record_failed_signin(email: str, *, way: str) -> None:
    """Remember that somebody who is not signed in tried to be the owner of an address; nothing when nobody owns it.

    Through a definer function, because whoever tries is nobody's tenant. ``way`` is ``password``.
    """
    caller = current_caller()
    values = (caller.address, caller.device, caller.request_id) if caller else (None, None, None)
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT record_failed_signin(%s, %s, %s, %s::inet, %s, %s)",
            [uuid7(), email[:254], way, *values],
        )


def origin_of_event(user_id: UUID) -> Origin:
    """Who does what happens to this person now, and from where."""
    caller = current_caller()
    if caller is None:
        actor, device = (Actor.OPERATOR, COMMAND_LINE) if is_at_the_console() else (Actor.SYSTEM, None)
        return {"actor": actor, "address": None, "device": device, "request_id": None}
    return {
        "actor": _actor(caller, user_id),
        "address": caller.address,
        "device": caller.device,
        "request_id": caller.request_id,
    }


def mark_of(administrator: UUID) -> str:
    """What tells one administrator from another without naming them."""
    return salted_hmac("wavelength.accounts.looks", str(administrator), algorithm="sha256").hexdigest()[:16]


def _actor(caller: Caller, user_id: UUID) -> Actor:
    # A call of the API that looked for nobody entered by itself, as the person of its session.
    person = getattr(caller.request, "user", None)
    if person is None or person.pk == user_id:
        return Actor.OWNER
    return Actor.OPERATOR if isinstance(person, User) and person.is_staff else Actor.STRANGER
