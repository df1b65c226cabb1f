"""What many send at once is counted once each, nothing deadlocks, and the ledger agrees with every quota afterwards."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Profile, Tier, User
from accounts.people import set_tier
from tests.processes import serve
from tests.usage.crowds import at_once, calling
from usage import ledger, metering, quotas
from usage.metering import BatchRecord, Tokens
from usage.models import Period, UsageRecord
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
THREADS = 16
SECONDS = 4
USED: dict[str, Any] = {
    "provider": "acme",
    "model": "one",
    "input_tokens": 150,
    "output_tokens": 300,
    "cost": Decimal("0.004"),
}
BODY: dict[str, Any] = {"provider": "acme", "model": "one", "inputTokens": 150, "outputTokens": 300, "cost": 0.004}


def ledger_of(person: User) -> tuple[int, int, Decimal]:
    assert ledger.check(user_id=person.pk).differences == []
    with tenant(person.pk):
        rows = list(UsageRecord.objects.all())
    return (
        sum(row.request_count for row in rows),
        sum(row.input_tokens + row.output_tokens + row.reasoning_tokens for row in rows),
        sum((row.total_cost or Decimal(0) for row in rows), start=Decimal(0)),
    )


def test_a_thousand_records_with_fifty_keys_count_fifty(alice: User) -> None:
    def records(number: int) -> tuple[str, str]:
        name = f"key {number % 50}"
        return name, repr(metering.record_usage(user_id=alice.pk, idempotency_key=name, digest="d", **USED))

    answers = at_once([partial(records, number) for number in range(1_000)], threads=THREADS)
    assert len(set(answers)) == 50, "every repeat answers as the first did"
    assert ledger_of(alice) == (50, 50 * 450, Decimal("0.2"))
    assert quotas.quotas_of(user_id=alice.pk)[0].used_cost == Decimal("0.2")


def test_over_http_a_thousand_records_with_fifty_keys_count_fifty(alice: User) -> None:
    with serve(workers=2, threads=8) as server, ExitStack() as browsers:
        calls = [browsers.enter_context(calling(server.url, alice)) for _ in range(THREADS)]
        sent = [
            partial(
                calls[number % THREADS], "POST", "/api/profile/usage", BODY, **{"Idempotency-Key": f"k{number // 20}"}
            )
            for number in range(1_000)
        ]
        answers = at_once(sent, threads=THREADS)
    assert {status for status, _ in answers} == {200}
    assert {body["data"]["requestCount"] for _, body in answers} == set(range(1, 51))
    assert ledger_of(alice) == (50, 50 * 450, Decimal("0.2"))


def test_batches_with_the_same_ids_count_each_once(alice: User) -> None:
    def syncs(number: int) -> int:
        names = [f"r{(number * 7 + place) % 60}" for place in range(25)]
        records = [BatchRecord("acme", "one", Tokens(1, 2), cost=Decimal("1e-9"), name=name) for name in names]
        return metering.record_batch(user_id=alice.pk, records=records)

    assert sum(at_once([partial(syncs, number) for number in range(64)], threads=THREADS)) == 60
    assert ledger_of(alice) == (60, 180, Decimal("60e-9"))


def test_first_uses_open_one_window(alice: User) -> None:
    at_once([partial(metering.record_usage, user_id=alice.pk, **USED)] * 64, threads=THREADS)
    assert ledger_of(alice)[0] == 64
    assert [quota.used_requests for quota in quotas.quotas_of(user_id=alice.pk)] == [64, 64]


def test_nothing_deadlocks_and_nothing_is_lost(alice: User, bob: User, charlie: User) -> None:
    """Everything at once for a few seconds, mostly of one person: only refusals that the contract knows may come."""
    crowd = [alice] * 10 + [bob] * 3 + [charlie] * 3
    for person in (alice, bob, charlie):
        quotas.set_quota(user_id=person.pk, period=Period.DAILY, request_limit=None, token_limit=None, cost_limit=None)

    outcomes = at_once([partial(_everything, person, number) for number, person in enumerate(crowd)], threads=THREADS)

    for person in (alice, bob, charlie):
        mine = [outcome for outcome, whose in zip(outcomes, crowd, strict=True) if whose == person]
        assert ledger_of(person)[0] == sum(outcome["counted"] for outcome in mine)
    total = sum(outcomes, Counter())
    assert all(total[kind] for kind in KINDS), total


def _everything(person: User, number: int) -> Counter[str]:
    """Do one thing after the other until the time is up; `counted` requests were acknowledged."""
    chance = random.Random(number)
    outcome: Counter[str] = Counter()
    held: list[Any] = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        kind = chance.choice(list(KINDS))
        outcome["counted"] += KINDS[kind](person, chance, held)
        outcome[kind] += 1
    return outcome


def _record(person: User, chance: random.Random, held: list[Any]) -> int:
    metering.record_usage(user_id=person.pk, provider=chance.choice(["acme", "bolt"]), model="one", input_tokens=10)
    return 1


def _batch(person: User, chance: random.Random, held: list[Any]) -> int:
    records = [BatchRecord("acme", "two", Tokens(5), name=uuid4().hex) for _ in range(5)]
    return metering.record_batch(user_id=person.pk, records=records + records[:2])


def _reserve(person: User, chance: random.Random, held: list[Any]) -> int:
    seconds = chance.choice([0, 1, 600])
    try:
        made = metering.reserve(
            user_id=person.pk, provider=chance.choice(["acme", "bolt"]), model="one", tokens=20, seconds=seconds
        )
    except metering.QuotaExceededError:
        return 0
    held.append(made.id)
    return 0


def _settle(person: User, chance: random.Random, held: list[Any]) -> int:
    if not held:
        return 0
    metering.settle(
        user_id=person.pk, reservation_id=held.pop(), provider="acme", model="one", tokens=Tokens(chance.randrange(40))
    )
    return 1


def _release(person: User, chance: random.Random, held: list[Any]) -> int:
    if held:
        metering.release(user_id=person.pk, reservation_id=held.pop())
    return 0


def _expire(person: User, chance: random.Random, held: list[Any]) -> int:
    metering.expire(user_id=person.pk)
    return 0


def _budget(person: User, chance: random.Random, held: list[Any]) -> int:
    of: dict[str, Any] = {
        "user_id": person.pk,
        "period": chance.choice(list(Period)),
        "provider": chance.choice(["acme", "bolt", None]),
    }
    if chance.random() < 0.5:
        quotas.remove_budget(**of)
    else:
        quotas.set_budget(**of, tokens=chance.choice([1_000, 100_000]))
    return 0


def _quota(person: User, chance: random.Random, held: list[Any]) -> int:
    of: dict[str, Any] = {
        "user_id": person.pk,
        "period": Period.DAILY,
        "provider": "acme",
        "model": chance.choice(["one", "two"]),
    }
    if chance.random() < 0.5:
        quotas.remove_quota(**of)
    else:
        quotas.set_quota(**of, request_limit=chance.choice([10, 10_000]))
    return 0


def _tier(person: User, chance: random.Random, held: list[Any]) -> int:
    set_tier(user_id=person.pk, tier=chance.choice(list(Tier)))
    return 0


def _move(person: User, chance: random.Random, held: list[Any]) -> int:
    with tenant(person.pk):
        Profile.objects.update(timezone=chance.choice(["UTC", "Asia/Kolkata", "Pacific/Kiritimati"]))
    return 0


def _look(person: User, chance: random.Random, held: list[Any]) -> int:
    assert quotas.quotas_of(user_id=person.pk)
    assert ledger.check(user_id=person.pk).differences == []
    return 0


KINDS: dict[str, Callable[[User, random.Random, list[Any]], int]] = {
    "record": _record,
    "batch": _batch,
    "reserve": _reserve,
    "settle": _settle,
    "release": _release,
    "expire": _expire,
    "budget": _budget,
    "quota": _quota,
    "tier": _tier,
    "move": _move,
    "look": _look,
}
