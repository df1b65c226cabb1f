"""What stands in the database after a drill, beside what was acknowledged."""

from collections import Counter
from collections.abc import Sequence
from io import StringIO

from drill.client import Told
from drill.load import Person
from drill.outcome import Outcome


def compared(told: Told, people: Sequence[Person], outcome: Outcome) -> Outcome:
    """Fill in what was acknowledged, refused, lost and doubled, and what `check_ledger` says."""
    counted = _counted(people)
    acknowledged = [*told.once, *told.repeated, *told.settled]
    outcome.acknowledged, outcome.refused, outcome.hung_up = told.acknowledged, told.refused, told.hung_up
    outcome.lost = sum(not counted[name] for name in acknowledged)
    outcome.doubled = sum(times > 1 for times in counted.values())
    # A request whose answer was lost may have been carried out, once.
    unknown = len(counted.keys() - set(acknowledged)) - told.refused - told.hung_up
    if unknown > 0:
        outcome.wrong.append(f"{unknown} records are in the ledger that nobody sent.")
    outcome.wrong += told.wrong
    outcome.wrong += differences()
    if not acknowledged:
        outcome.wrong.append("Nothing was acknowledged: the drill tells nothing.")
    return outcome


def compared_in_all(told: Told, people: Sequence[Person], outcome: Outcome) -> Outcome:
    """The same where names come again and again: only the sums are compared."""
    stored, acknowledged = sum(_counted(people).values()), len(told.repeated)
    outcome.acknowledged, outcome.refused, outcome.hung_up = told.acknowledged, told.refused, told.hung_up
    outcome.lost = max(acknowledged - stored, 0)
    outcome.doubled = max(stored - acknowledged - told.refused - told.hung_up, 0)
    outcome.wrong += [*told.wrong, *differences()]
    return outcome


def differences() -> list[str]:
    """What `check_ledger` has to say against the quotas."""
    from django.core.management import CommandError, call_command

    output = StringIO()
    try:
        call_command("check_ledger", stdout=output)
    except CommandError as error:
        return [f"check_ledger: {output.getvalue()}{error}"]
    return []


def _counted(people: Sequence[Person]) -> Counter[str]:
    from django.db import connections

    from usage.models import UsageRecord
    from wavelength.tenancy import tenant

    # What was open is of a server that may have been another.
    connections.close_all()
    counted: Counter[str] = Counter()
    for person in people:
        with tenant(person.id):
            for name, requests in UsageRecord.objects.values_list("model", "request_count"):
                counted[name] += requests
    return counted
