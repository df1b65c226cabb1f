"""A drill sees what was lost, doubled, or sent by nobody."""

import pytest

from accounts.models import User
from drill.client import Told
from drill.load import Person, used
from drill.outcome import Outcome
from drill.stored import compared
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def record(person: User, name: str) -> None:
    answer = signed_in(person).post("/api/profile/usage", used(name), "application/json")
    assert answer.status_code == 200


def found(person: User, told: Told) -> Outcome:
    return compared(told, [Person(person.pk, person.email, "")], Outcome())


def test_what_was_acknowledged_is_there_once(alice: User) -> None:
    record(alice, "once-1")
    outcome = found(alice, Told(may_hang_up=False, once=["once-1"]))

    assert (outcome.acknowledged, outcome.lost, outcome.doubled, outcome.wrong) == (1, 0, 0, [])


def test_what_is_not_there_is_lost(alice: User) -> None:
    record(alice, "once-1")
    outcome = found(alice, Told(may_hang_up=False, once=["once-1", "once-2"], settled=["settled-1"]))

    assert (outcome.lost, outcome.doubled, outcome.failed) == (2, 0, True)


def test_what_is_there_twice_is_doubled(alice: User) -> None:
    record(alice, "repeated-1")
    record(alice, "repeated-1")
    outcome = found(alice, Told(may_hang_up=False, repeated=["repeated-1"]))

    assert (outcome.lost, outcome.doubled, outcome.failed) == (0, 1, True)


def test_what_nobody_sent_is_wrong_but_an_answer_may_be_lost(alice: User) -> None:
    record(alice, "once-1")
    record(alice, "once-2")

    assert found(alice, Told(may_hang_up=True, once=["once-1"], hung_up=1)).wrong == []
    assert "nobody sent" in found(alice, Told(may_hang_up=True, once=["once-1"])).wrong[0]


def test_a_drill_without_an_acknowledgement_tells_nothing(alice: User) -> None:
    assert found(alice, Told(may_hang_up=True)).wrong == ["Nothing was acknowledged: the drill tells nothing."]
