"""What pruning takes of hand-overs, links and deleted chats, and what a repeat still knows afterwards."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import pruning
from accounts.models import Profile, User
from chats.models import Chat, Handover, Message, SharedLink, Source
from chats.sync import status_of, take_over
from tests.chats.payloads import chat, payload
from tests.rows import stored, unsaved
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
YEAR = 365


def pruned() -> dict[str, int]:
    return {name: rows for name, rows in pruning.prune() if rows}


def report(person: User, days: int, **values: Any) -> Handover:
    """A report of a hand-over of so many days ago."""
    moment = timezone.now() - timedelta(days=days)
    with tenant(person.pk):
        row = unsaved(Handover, person)
        for name, value in ({"finished_at": moment, "moved_at": moment, "started_at": moment} | values).items():
            setattr(row, name, value)
        row.save(force_insert=True)
    return row


def left(person: User) -> set[Any]:
    with tenant(person.pk):
        return set(Handover.objects.values_list("pk", flat=True))


def test_what_a_repeat_needs_stays(alice: User, bob: User) -> None:
    first = report(alice, YEAR + 90, preferences={"theme": "dark"})
    report(alice, YEAR + 80, preferences={"theme": "dark"}, source=Source.SYNC)
    only = report(alice, YEAR + 70, preferences={"theme": "light"}, source=Source.SYNC)
    report(alice, YEAR + 60, preferences={"theme": "dark"})
    report(alice, YEAR + 50, finished_at=None)
    last = report(alice, YEAR + 40, preferences={"theme": "dark"}, source=Source.SYNC)
    young = report(alice, YEAR - 1, finished_at=None)
    anothers = report(bob, YEAR + 10, preferences={"theme": "dark"})

    assert pruned() == {"hand-overs": 3}
    assert left(alice) == {first.pk, only.pk, last.pk, young.pk}
    assert left(bob) == {anothers.pk}
    assert status_of(alice.pk).first == first
    assert pruned() == {}


def test_what_a_report_says_of_chats_goes(alice: User) -> None:
    told: dict[str, Any] = {"errors": ["Chat 1: …"], "warnings": ["x"], "deleted_keys": ["openai"], "error_count": 1}
    old = report(alice, YEAR + 1, preferences={}, **told)
    young = report(alice, YEAR - 1, preferences={}, **told)

    assert pruned() == {"reports of hand-overs": 1}
    with tenant(alice.pk):
        old.refresh_from_db()
        young.refresh_from_db()
    assert (old.errors, old.warnings, old.deleted_keys, old.error_count) == ([], [], [], 1)
    assert young.errors == told["errors"]


def test_a_repeat_after_years_changes_nothing(alice: User) -> None:
    body = json.dumps(payload(chat("c1"), config={"theme": "dark"})).encode()
    take_over(user_id=alice.pk, body=body, source=Source.MIGRATION)
    with tenant(alice.pk):
        Profile.objects.update(preferences={"theme": "light"})
        Handover.objects.update(moved_at=timezone.now() - timedelta(days=3 * YEAR))
    pruned()
    again = take_over(user_id=alice.pk, body=body, source=Source.MIGRATION)

    assert (again.migrated_chats, again.skipped_chats) == (0, 1)
    with tenant(alice.pk):
        assert Profile.objects.get().preferences == {"theme": "light"}
        assert Chat.objects.count() == 1


def test_links_stay_listed_for_a_while_after_their_end(alice: User, bob: User) -> None:
    for person in (alice, bob):
        with tenant(person.pk):
            for days in (-31, -29, 1):
                link = unsaved(SharedLink, person)
                link.expires_at = timezone.now() + timedelta(days=days)
                link.save(force_insert=True)

    assert pruned() == {"ended links to chats": 2}
    with tenant(alice.pk):
        assert SharedLink.objects.count() == 2


def test_deleted_chats_are_emptied(alice: User, bob: User) -> None:
    for person, hours in ((alice, -1), (bob, 1)):
        stored(Message, person)
        with tenant(person.pk):
            Chat.objects.update(deleted_at=timezone.now(), purge_at=timezone.now() + timedelta(hours=hours))

    assert {name: rows for name, rows in pruning.count() if rows} == {"texts of deleted chats": 1}
    assert pruned() == {"texts of deleted chats": 1}
    with tenant(alice.pk):
        assert (Message.objects.count(), Chat.objects.get().title) == (0, "")
    with tenant(bob.pk):
        assert Message.objects.count() == 1
