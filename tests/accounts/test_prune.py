"""What was kept long enough goes; everything else stays."""

import io
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import pruning
from accounts.models import AnonymousSession, Session, User
from accounts.tasks import prune
from tests.conftest import signed_in
from usage.models import AnonymousDay

pytestmark = pytest.mark.django_db
WHAT_GOES = """ended sessions: 1
browsers without a session: 1
browsers without an account: 2
days of browsers without an account: 1
"""


def printed(*options: str) -> str:
    out = io.StringIO()
    call_command("prune", *options, stdout=out)
    return out.getvalue()


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
    return client


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
    assert {rows for _, rows in pruning.prune()} == {0}


def test_the_worker_does_it(old: Client) -> None:
    prune(timestamp=0)
    assert {rows for _, rows in pruning.count()} == {0}


def test_the_page_says_the_same(as_alice: Client, settings: Settings) -> None:
    settings.ANONYMOUS_RETENTION_DAYS = 77
    assert "77 days" in as_alice.get(reverse("accounts:privacy")).content.decode()
