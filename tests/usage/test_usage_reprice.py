"""`manage.py reprice_usage`."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, User
from tests.conftest import make_person
from usage import ledger, metering, quotas, repricing
from usage.models import ModelPrice, UsageRecord
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)


@pytest.fixture
def alice() -> User:
    return make_person("alice@example.com", "Alice")


@pytest.fixture
def bob() -> User:
    return make_person("bob@example.com", "Bob")


def record(person: User, *, model: str = "gpt-4o", hours: int = 0, **figures: Any) -> None:
    metering.record_usage(
        user_id=person.pk,
        provider="openai",
        model=model,
        input_tokens=figures.pop("input_tokens", 1_000_000),
        happened_at=NOON + timedelta(hours=hours),
        **figures,
    )


def price(model: str, dollars: str) -> None:
    ModelPrice(provider="openai", model=model, input_price=Decimal(dollars), output_price=0).save(using="operator")


def rows(person: User) -> list[UsageRecord]:
    with tenant(person.pk):
        return list(UsageRecord.objects.order_by("hour", "model"))


def costs(person: User) -> list[Decimal | None]:
    return [row.computed_cost for row in rows(person)]


def told(person: User) -> int:
    with tenant(person.pk):
        return AuditEvent.objects.filter(kind="usage.repriced").count()


def reprice(*arguments: str, since: datetime = NOON) -> str:
    out = StringIO()
    call_command("reprice_usage", f"--since={since:%Y-%m-%dT%H:%M}", *arguments, stdout=out)
    return out.getvalue()


def test_it_works(alice: User, bob: User) -> None:
    record(alice)
    record(alice, hours=1)
    record(alice, model="gpt-4o-mini")
    record(bob)
    price("gpt-4o", "3.000000001")
    said = reprice()
    assert costs(alice) == [Decimal("3.000000001"), Decimal("0.15"), Decimal("3.000000001")]
    assert costs(bob) == [Decimal("3.000000001")]
    assert "3 of 4 rows since" in said
    assert "of 2 people, changed, by +1.500000003 US dollars in all. 0 of them have" in said
    assert "of 0 people, changed, by +0 US dollars" in reprice()


def test_totals_and_quotas_and_times_stay(alice: User) -> None:
    record(alice)
    record(alice, cost=Decimal("0.004"))
    before, quotas_before = rows(alice)[0], quotas.quotas_of(user_id=alice.pk)
    price("gpt-4o", "100")
    reprice()
    after = rows(alice)[0]
    assert before.computed_cost == 5
    assert after.computed_cost == 200
    for name in ("total_cost", "request_count", "unpriced_requests", "input_tokens", "updated_at"):
        assert getattr(after, name) == getattr(before, name)
    assert quotas.quotas_of(user_id=alice.pk) == quotas_before
    assert ledger.check(user_id=alice.pk).differences == []


def test_only_from_that_hour_on(alice: User) -> None:
    for hours in (-1, 0, 1):
        record(alice, hours=hours)
    price("gpt-4o", "1")
    reprice()
    assert costs(alice) == [Decimal("2.5"), 1, 1]


def test_only_that_person(alice: User, bob: User) -> None:
    record(alice)
    record(bob)
    price("gpt-4o", "1")
    assert "1 of 1 rows" in reprice("--user", "bob@example.com")
    assert costs(alice) == [Decimal("2.5")]
    assert costs(bob) == [1]


def test_a_dry_run_changes_nothing(alice: User) -> None:
    record(alice)
    price("gpt-4o", "1")
    assert "of 1 people, would change, by -1.5 US dollars" in reprice("--dry-run")
    assert costs(alice) == [Decimal("2.5")]


def test_unknown_becomes_null_and_null_becomes_known(alice: User) -> None:
    price("no-such-model", "1")
    record(alice, model="no-such-model")
    record(alice, model="other-model")
    ModelPrice.objects.using("operator").all().delete()
    price("other-model", "2")
    said = reprice()
    assert costs(alice) == [None, 2]
    assert "of 1 people, changed, by +1 US dollars in all. 1 of them have no known price any more" in said


def test_the_listed_prices_are_those_of_the_hour(alice: User) -> None:
    price("o3", "1")
    long_ago = datetime(2025, 6, 9, 12, tzinfo=UTC)
    for moment in (long_ago, long_ago + timedelta(days=1)):
        metering.record_usage(
            user_id=alice.pk, provider="openai", model="o3", input_tokens=1_000_000, happened_at=moment
        )
    ModelPrice.objects.using("operator").all().delete()
    reprice(since=long_ago)
    assert costs(alice) == [10, 2]


def test_a_large_ledger_goes_in_batches_and_can_be_stopped(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repricing, "BATCH", 3)
    for hours in range(4):
        record(alice, hours=hours)
        record(alice, hours=hours, model="gpt-4o-mini")
    price("gpt-4o", "1")
    price("gpt-4o-mini", "1")
    batches = repricing.reprice(user_id=alice.pk, since=NOON, own=repricing.own_prices())
    assert next(batches).changed == 3
    batches.close()
    assert told(alice) == 1
    assert sorted(costs(alice), key=str).count(Decimal(1)) == 3
    assert "5 of 8 rows" in reprice()
    assert set(costs(alice)) == {Decimal(1)}


def test_whom_it_changes_is_told_once(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repricing, "BATCH", 1)
    for hours in range(3):
        record(alice, hours=hours)
    record(bob, model="gpt-4o-mini")
    price("gpt-4o", "1")
    reprice("--dry-run")
    assert told(alice) == 0
    reprice()
    reprice()
    assert (told(alice), told(bob)) == (1, 0)


def test_what_cannot_be_told_is_not_changed(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no trail today")

    record(alice)
    price("gpt-4o", "1")
    monkeypatch.setattr("accounts.audit.record", fail)
    with pytest.raises(RuntimeError):
        reprice()
    assert costs(alice) == [Decimal("2.5")]


def test_a_person_or_a_date_that_there_is_not() -> None:
    with pytest.raises(CommandError, match="no account with the address"):
        reprice("--user", "nobody@example.com")
    with pytest.raises(CommandError, match="is no date"):
        call_command("reprice_usage", "--since=yesterday")
