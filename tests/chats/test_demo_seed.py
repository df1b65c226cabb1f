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
from usage import ledger
from usage.quotas import quotas_of, windows_of
from usage.reports import Span, report_of
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

    *of_everything, budget = quotas_of(user_id=User.objects.get(email=EMAIL).pk)
    assert (budget.provider, budget.request_limit, budget.token_limit) == ("anthropic", None, None)
    assert budget.own_cost_limit is not None
    assert 0 < budget.used_cost < budget.own_cost_limit
    assert len(of_everything) == 2
    for quota in of_everything:
        assert quota.request_limit is not None
        assert quota.token_limit is not None
        assert 0 < quota.used_requests < quota.request_limit
        assert 0 < quota.used_tokens < quota.token_limit


def test_three_months_of_its_quotas_are_known_and_agree_with_its_usage(db: None) -> None:
    run()
    person = User.objects.get(email=EMAIL)
    windows = sorted(map(len, windows_of(user_id=person.pk).values()))
    assert windows[0] >= 1
    assert (windows[-2] >= 3, windows[-1]) == (True, 31)
    assert ledger.check(user_id=person.pk).differences == []
    report = report_of(user_id=person.pk, span=Span.ALL)
    assert len(report.models) > 8
    assert len(report.providers) > 4
    assert len(report.sources) == 3
    assert 0 < report.totals.unpriced < report.totals.requests / 10
    weekend = sum(requests for (weekday, _), requests in report.heat.items() if weekday > 4)
    assert 0 < weekend / 2 < (report.totals.requests - weekend) / 5 / 2


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
