"""`manage.py check_ledger`: quotas against the ledger and the open reservations."""

from decimal import Decimal
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from accounts.models import User
from apikeys.models import ApiKey
from tests.usage.test_budget_set import use
from usage import metering, quotas
from usage.keys import limit_key
from usage.models import Period, QuotaWindow, Reservation, Source, UsageRecord
from wavelength.tenancy import tenant

KEY = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture
def busy(alice: User) -> User:
    """Alice with usage, a reservation, a budget with a provider and a key."""
    with tenant(alice.pk):
        ApiKey(pk=KEY, user=alice, provider="openai", envelope=b"sealed", fingerprint=b"print").save(force_insert=True)
        limit_key(user_id=alice.pk, api_key_id=KEY, daily=None, monthly=None)
    quotas.set_budget(user_id=alice.pk, period=Period.DAILY, provider="openai", tokens=1000)
    use(alice, tokens=70, cost="0.001")
    use(alice, provider="google", tokens=5)
    metering.record_usage(user_id=alice.pk, provider="openai", model="m", input_tokens=9, api_key_id=KEY)
    metering.record_usage(user_id=alice.pk, provider="openai", model="m", input_tokens=9, source=Source.MIGRATION)
    metering.reserve(user_id=alice.pk, provider="openai", model="m", tokens=30, cost=Decimal("0.5"), api_key_id=KEY)
    return alice


def checked(*arguments: str) -> str:
    output = StringIO()
    call_command("check_ledger", *arguments, stdout=output)
    return output.getvalue()


def differences(*arguments: str) -> list[str]:
    output = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("check_ledger", *arguments, stdout=output)
    lines = output.getvalue().splitlines()
    assert str(caught.value).endswith(f": {len(lines)} differ.")
    return lines


def test_it_works(busy: User, bob: User) -> None:
    use(bob)
    assert checked() == "7 windows of 2 people were compared with the ledger: no difference.\n"
    assert checked("--user", busy.email) == "5 windows of 1 people were compared with the ledger: no difference.\n"


def test_nobody_has_used_anything(alice: User) -> None:
    assert checked() == "0 windows of 1 people were compared with the ledger: no difference.\n"


@pytest.mark.parametrize(
    ("column", "amount", "said"),
    [
        ("used_requests", 1, "used requests are 3 and should be 2"),
        ("used_tokens", -1, "used tokens are 78 and should be 79"),
        ("used_cost", Decimal("1e-12"), "used dollars are 0.001000000001 and should be 0.001"),
        ("reserved_requests", -1, "reserved requests are 0 and should be 1"),
        ("reserved_tokens", 1, "reserved tokens are 31 and should be 30"),
        ("reserved_cost", Decimal("1e-12"), "reserved dollars are 0.500000000001 and should be 0.5"),
    ],
)
def test_a_window_is_wrong(busy: User, column: str, amount: int | Decimal, said: str) -> None:
    with tenant(busy.pk):
        QuotaWindow.objects.filter(limit__provider="openai").update(**{column: F(column) + amount})
    (line,) = differences()
    assert line.startswith("alice@example.com daily openai, ")
    assert line.endswith(f" UTC: {said}")


def test_the_ledger_is_wrong(busy: User, bob: User) -> None:
    with tenant(busy.pk):
        UsageRecord.objects.filter(provider="google").update(request_count=9)
    assert [line.partition(",")[0] for line in differences()] == [
        "alice@example.com monthly overall",
        "alice@example.com daily overall",
    ]
    assert checked("--user", bob.email)


def test_what_is_reserved_of_a_key_is_wrong(busy: User) -> None:
    with tenant(busy.pk):
        Reservation.objects.update(state="released")
    lines = differences()
    assert len(lines) == 5
    assert sum(f" key {KEY}, " in line for line in lines) == 2


def test_windows_overlap(busy: User) -> None:
    with tenant(busy.pk):
        first = QuotaWindow.objects.get(limit__provider="openai")
        QuotaWindow.objects.create(
            user=busy,
            limit=first.limit,
            starts_at=first.ends_at.replace(year=2099),
            ends_at=first.ends_at.replace(year=2100),
        )
        QuotaWindow.objects.filter(starts_at__year=2099).update(starts_at=first.starts_at.replace(year=2001))
    assert any("other windows of its time are 1 and should be 0" in line for line in differences())


def test_nobody_has_the_address(db: None) -> None:
    with pytest.raises(CommandError, match="There is no account with the address nobody"):
        checked("--user", "nobody@example.com")
