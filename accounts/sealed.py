"""Every kind of secret that is sealed in an envelope, so that one command can open them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from accounts.datakeys import data_key_for, system_data_key
from accounts.due import everyone
from accounts.models import DataKey, SystemKey, User
from wavelength import alerting
from wavelength.envelope import EnvelopeError
from wavelength.tenancy import tenant

if TYPE_CHECKING:
    from wavelength import envelope

# Opens everything of one kind with the key given, and tells of each whether it opened.
# A person's kind is called inside their `tenant()`; the system's with None.
Opener = Callable[["envelope.DataKey", UUID | None], Iterator[bool]]

_of_people: dict[str, Opener] = {}
_of_system: dict[str, Opener] = {}


@dataclass(slots=True)
class Tally:
    """How many of one kind opened, and how many did not."""

    opened: int = 0
    closed: int = 0

    def count(self, opens: bool) -> None:
        if opens:
            self.opened += 1
        else:
            self.closed += 1


def register_personal(kind: str, opener: Opener) -> None:
    """Add a kind of secret that is sealed with each person's data key."""
    _of_people[kind] = opener


def register_system(kind: str, opener: Opener) -> None:
    """Add a kind of secret that is sealed with the system's data key."""
    _of_system[kind] = opener


def open_everything(people: Iterable[UUID] | None = None) -> dict[str, Tally]:
    """Open every data key and every envelope there is, or of these people; nothing plain is kept. Changes nothing.

    What hangs from a data key that does not open counts as closed with its key, not one by one.
    """
    tallies = {kind: Tally() for kind in ("data keys", *_of_people, *_of_system)}
    for user_id in everyone() if people is None else people:
        with tenant(user_id):
            _open_person(user_id, tallies)
    if SystemKey.objects.exists():
        _open_all(_of_system, None, tallies)
    return tallies


def look_for_closed() -> None:
    """Keep for the operators' alerts whether something does not open: of ALERT_ENVELOPE_SAMPLE people, chosen anew.

    Of everybody while something did not, so that it is over only when all of it opens. Call it outside any transaction.
    """
    people: list[UUID] | None = None
    if not alerting.holds("envelopes"):
        people = list(User.objects.order_by("?").values_list("pk", flat=True)[: settings.ALERT_ENVELOPE_SAMPLE])
    closed = {kind: tally.closed for kind, tally in open_everything(people).items() if tally.closed}
    counts = ", ".join(f"{count} {kind}" for kind, count in closed.items())
    sentence = f"Do not open: {counts}. Run `manage.py check_encryption`; a ring key may be missing."
    alerting.observe("envelopes", sentence if closed else None)


def _open_person(user_id: UUID, tallies: dict[str, Tally]) -> None:
    # A person whose data key was shredded has nothing left that could open.
    if DataKey.objects.filter(user_id=user_id).exists():
        _open_all(_of_people, user_id, tallies)


def _open_all(kinds: dict[str, Opener], user_id: UUID | None, tallies: dict[str, Tally]) -> None:
    try:
        data_key = data_key_for(user_id) if user_id else system_data_key()
    except EnvelopeError:
        tallies["data keys"].count(opens=False)
        return
    tallies["data keys"].count(opens=True)
    for kind, opener in kinds.items():
        for opens in opener(data_key, user_id):
            tallies[kind].count(opens)
