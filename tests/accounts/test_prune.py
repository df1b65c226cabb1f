"""What was kept long enough goes; everything else stays."""

import io
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import archives, pruning
from accounts.models import AnonymousSession, AuditEvent, DataArchive, Presence, Session, User
from accounts.tasks import prune
from tests.conftest import signed_in
from usage.models import AdviceDismissal, AdviceKind, AnonymousDay
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
WHAT_GOES = """ended sessions: 1
browsers without a session: 1
browsers without an account: 2
finished jobs: 2
events of the audit trail: 2
acts in the admin's log: 0
days on which people were here: 2
archives of data: 1
days of browsers without an account: 1
closed reservations: 0
past windows of quotas: 0
answers kept for repeats: 0
advice put off until a day that is past: 1
texts of deleted chats: 0
hand-overs: 0
reports of hand-overs: 0
ended links to chats: 0
"""


def printed(*options: str) -> str:
    out = io.StringIO()
    call_command("prune", *options, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def old(alice: User, bob: User, settings: Settings) -> Client:
    """Of each kind something old, something new, and something old that must stay."""
    settings.ANONYMOUS_RETENTION_DAYS = 10
    now = timezone.now()
    client = signed_in(alice)
    living = Session.objects.get(user=alice).session_key
    Session.objects.create(session_key="ended", session_data="{}", expire_date=now - timedelta(minutes=1))
    for key, person in (("gone", bob), (living, alice)):
        UserSession.objects.create(user=person, session_key=key, ip="127.0.0.1", user_agent="", data={})
    UserSession.objects.update(last_seen_at=now - timedelta(days=40))
    UserSession.objects.create(user=bob, session_key="just-begun", ip="127.0.0.1", user_agent="", data={})
    for name, claimed_by, days in (("a", None, 11), ("b", None, 12), ("new", None, 9), ("claimed", alice, 400)):
        AnonymousSession.objects.create(anonymous_id=name, claimed_by=claimed_by)
        AnonymousSession.objects.filter(anonymous_id=name).update(created_at=now - timedelta(days=days))
    for days in (0, 10, 12):
        AnonymousDay.objects.create(day=(now - timedelta(days=days)).date(), scope="session", name="a", messages=1)
    of_people(now)
    of_the_queue()
    return client


def of_people(now: datetime) -> None:
    """Alice and Bob each have an old event, Alice an archive and a dismissal that are past, Bob ones that are not."""
    for person in User.objects.all():
        past = person.name == "Alice"
        with tenant(person.pk):
            AuditEvent.objects.create(user=person, kind="test.old", at=now - timedelta(days=731))
            AuditEvent.objects.create(user=person, kind="test.young", at=now - timedelta(days=729))
            for days in (42, 38):
                Presence.objects.create(user=person, day=(now - timedelta(days=days)).date())
            until = now + timedelta(days=-1 if past else 1)
            DataArchive.objects.create(user=person, state="ready", file=f"{person.name}.zip", expires_at=until)
            AdviceDismissal.objects.create(user=person, kind=AdviceKind.DAY, subject="x", until=until)
    default_storage.save("Alice.zip", ContentFile(b"x"))


def of_the_queue() -> None:
    """Jobs by how they ended, and how many days ago."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        for status, days in (("succeeded", 4), ("cancelled", 4), ("succeeded", 2), ("failed", 90), ("todo", 90)):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('q', %s, %s) RETURNING id",
                [f"{status} {days}", status],
            )
            [job] = cursor.fetchone()
            cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [job])
            cursor.execute(
                "INSERT INTO procrastinate_events (job_id, type, at) VALUES (%s, 'deferred', %s)",
                [job, timezone.now() - timedelta(days=days)],
            )


def kinds_of(person: User) -> list[str]:
    with tenant(person.pk):
        return list(AuditEvent.objects.filter(kind__startswith="test.").values_list("kind", flat=True))


def test_it_counts_and_deletes_nothing(old: Client) -> None:
    assert printed("--dry-run") == WHAT_GOES
    assert printed("--dry-run") == WHAT_GOES


def test_it_deletes_what_it_counts(old: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 1)
    assert printed() == WHAT_GOES
    assert set(AnonymousSession.objects.values_list("anonymous_id", flat=True)) == {"new", "claimed"}
    assert AnonymousDay.objects.count() == 2
    assert set(UserSession.objects.values_list("user", flat=True)) == set(User.objects.values_list("pk", flat=True))
    assert UserSession.objects.count() == 2
    assert old.get("/api/profile").status_code == 200
    assert [kinds_of(person) for person in User.objects.all()] == [["test.young"], ["test.young"]]
    assert not default_storage.exists("Alice.zip")
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name FROM procrastinate_jobs ORDER BY 1")
        assert [name for (name,) in cursor.fetchall()] == ["failed 90", "succeeded 2", "todo 90"]
    assert {rows for _, rows in pruning.prune()} == {0}


def test_the_worker_does_it(old: Client) -> None:
    prune(timestamp=0)
    assert {rows for _, rows in pruning.count()} == {0}


def test_one_kind_s_fault_keeps_no_other_waiting(
    old: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(**_: object) -> bool:
        raise OSError("the storage is away")

    monkeypatch.setattr(archives, "delete_expired", failing)
    with caplog.at_level(logging.ERROR, "accounts.tasks"):
        prune(timestamp=0)

    assert "The archives of data could not be pruned." in caplog.text
    assert {name for name, rows in pruning.count() if rows} == {"archives of data"}


def test_a_trail_is_walked_page_by_page(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle, it goes on with what is left."""
    monkeypatch.setattr(pruning, "PAGES", 1)
    for person in (alice, bob):
        with tenant(person.pk):
            AuditEvent.objects.bulk_create(
                AuditEvent(user=person, kind="test.old", details={"x": "y" * 200}, at=LONG_AGO) for _ in range(300)
            )
    [events] = [kind for kind in pruning.KINDS if isinstance(kind, pruning.Owned) and kind.kind == "events"]
    walk = events._walk(only_count=False)
    # The first pages may hold what other tests left dead.
    first = next(taken for taken in walk if taken)

    assert first < 100
    assert events.count() == 600 - first
    assert events.prune() == 600 - first
    assert (kinds_of(alice), kinds_of(bob)) == ([], [])


@pytest.mark.parametrize(
    "setting", ["ANONYMOUS", "ARCHIVE", "AUDIT", "RESERVATION", "WINDOW", "ANSWER", "HANDOVER", "LINK", "DEACTIVATED"]
)
def test_the_page_says_the_same(setting: str, as_alice: Client, settings: Settings) -> None:
    setattr(settings, f"{setting}_RETENTION_DAYS", 7777)
    assert "7777 days" in as_alice.get(reverse("accounts:privacy")).content.decode()
