"""manage.py seed_demo."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from chats import demo
from chats.management.commands.seed_demo import EMAIL, PASSWORD
from chats.models import Chat, Handover, Message
from usage.quotas import quotas_of
from wavelength.tenancy import tenant


@pytest.fixture(autouse=True)
def _development(settings: LazySettings) -> None:
    settings.DEBUG = True


def test_it_works(db: None, client: Client) -> None:
    said = run()

    assert said == f"Made a demo account with {demo.CHATS} chats.\nSign in as {EMAIL} with the password {PASSWORD}\n"
    person = User.objects.get(email=EMAIL)
    assert client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD}).status_code == 302
    with tenant(person.pk):
        assert Chat.objects.present().count() == demo.CHATS
        times = list(Message.objects.order_by("sent_at").values_list("sent_at", flat=True))
        assert Handover.objects.get().error_count == 0
        models = Counter(Message.objects.exclude(cost=None).values_list("model", flat=True))
        assert not Chat.objects.filter(indexed=False).exists()
    now = datetime.now(UTC)
    assert now - timedelta(days=95) < times[0] < now - timedelta(days=75)
    assert now - timedelta(days=7) < times[-1] <= now
    assert len(models) >= 5


def test_it_has_used_some_of_its_quotas(db: None) -> None:
    run()

    for quota in quotas_of(user_id=User.objects.get(email=EMAIL).pk):
        assert quota.request_limit is not None
        assert quota.token_limit is not None
        assert 0 < quota.used_requests < quota.request_limit
        assert 0 < quota.used_tokens < quota.token_limit


def test_again_adds_nothing(db: None) -> None:
    run()

    said = run()

    assert said == f"Sign in as {EMAIL} with the password {PASSWORD}\n"
    assert User.objects.count() == 1


def test_where_people_are_it_says_and_adds_nothing(alice: User) -> None:
    assert run() == ""
    assert User.objects.get() == alice


def test_not_in_production(db: None, settings: LazySettings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="only with DEBUG on"):
        run()

    assert not User.objects.exists()


def test_same_day_same_payload() -> None:
    moment = datetime(2026, 3, 1, 15, tzinfo=UTC)

    assert demo.payload(moment) == demo.payload(moment + timedelta(hours=2))
    assert demo.payload(moment) != demo.payload(moment + timedelta(days=1))


def run() -> str:
    output = StringIO()
    call_command("seed_demo", stdout=output)
    return output.getvalue()
