"""Whatever the order of what happens to one person's usage, every window holds exactly what happened in its time.

Hypothesis makes up the orders; a model in Python keeps what was counted, and when. HYPOTHESIS_PROFILE=thorough
tries far more of them.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from django.db import connections
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Profile, Tier
from accounts.people import set_tier
from tests.conftest import make_person
from tests.usage.calling import counted_key
from usage import ledger, metering, quotas
from usage.metering import BatchRecord, Tokens
from usage.models import Period, QuotaLimit, QuotaWindow, Reservation, UsageRecord
from usage.quotas import Quota
from wavelength.tenancy import tenant

THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
ZONES: Final = (
    "", "UTC", "Europe/Berlin", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/Havana", "Pacific/Kiritimati", "America/St_Johns", "Not/AZone",
)  # fmt: skip
# Each before something: a leap day, a year, days of 23, 24½ and 25 hours, a day that never was.
STARTS: Final = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        "2024-02-28T21:47", "2025-12-31T09:59", "2026-03-28T12:31", "2026-10-24T22:00", "2026-04-04T13:20",
        "2026-10-03T11:11", "2011-12-29T10:00", "2023-04-27T20:15", "2026-11-01T03:05", "2026-06-30T18:14:59.999999",
    )
)  # fmt: skip
SHORTEST: Final = {Period.DAILY: timedelta(hours=23), Period.MONTHLY: timedelta(days=27)}

providers = st.sampled_from(["acme", "bolt"])
models = st.sampled_from(["one", "two"])
tokens = st.builds(
    Tokens,
    input=st.integers(0, 30_000),
    output=st.integers(0, 5_000),
    reasoning=st.integers(0, 3),
    cached=st.just(0),
)
costs = st.none() | st.sampled_from(["0", "1e-12", "0.004", "0.9", "3.000000000001"]).map(Decimal)
names = st.none() | st.sampled_from("abcdef")
# How long ago something was, or how long after which of the windows' boundaries.
Happened = timedelta | tuple[int, timedelta]
happened: st.SearchStrategy[Happened] = st.sampled_from([0, 1, 600, 5_400, 90_000, 400_000, 3_000_000, -5, -4_000]).map(
    lambda seconds: timedelta(seconds=seconds)
) | st.tuples(
    st.integers(0, 1_000),
    st.sampled_from([timedelta(microseconds=-1), timedelta(), timedelta(minutes=10), timedelta(minutes=20)]),
)
spans = st.sampled_from([0, 1, 61, 900, 1_800, 3_600, 5_000, 20_000, 86_399, 86_400, 200_000, 1_500_000, 3_000_000])
which = st.integers(0, 1_000)


@dataclass(frozen=True)
class Counted:
    """One thing that was counted, when it happened and through which key."""

    at: datetime
    provider: str
    model: str
    requests: int
    tokens: int
    cost: Decimal
    key: UUID | None = None


@dataclass
class Held:
    """A reservation as the model knows it."""

    id: UUID
    provider: str
    model: str
    made_at: datetime
    expires_at: datetime
    key: UUID | None
    state: str = "open"
    digest: str = ""
    answer: dict[str, Any] = field(default_factory=dict)


class Metering(RuleBasedStateMachine):
    @initialize(start=st.sampled_from(STARTS), zone=st.sampled_from(ZONES))
    def begin(self, start: datetime, zone: str) -> None:
        self.person = make_person(f"{uuid4().hex}@example.com", "Alice")
        self.id = self.person.pk
        self.now = start
        self.key = UUID(counted_key(self.person, request_limit=20))
        self.counted: list[Counted] = []
        self.answers: dict[str, tuple[str, dict[str, Any]]] = {}
        self.synced: set[str] = set()
        self.held: list[Held] = []
        self.has_lagged = False
        self.cuts: list[datetime] = []
        self.move(zone)
        with tenant(self.id):
            QuotaLimit.objects.create(user=self.person, period=Period.MONTHLY, api_key_id=self.key)

    # What is counted

    @rule(
        provider=providers, model=models, used=tokens, cost=costs, requests=st.integers(1, 3), name=names,
        when=happened, dated=st.booleans(), keyed=st.booleans(), lag=st.sampled_from([0, 0, 0, 2]),
    )  # fmt: skip
    def record(
        self,
        provider: str,
        model: str,
        used: Tokens,
        cost: Decimal | None,
        requests: int,
        name: str | None,
        when: Happened,
        dated: bool,
        keyed: bool,
        lag: int,
    ) -> None:
        # Transactions begin in another order than they take the lock.
        at = self.now - timedelta(seconds=lag)
        self.has_lagged |= lag > 0
        happened_at = self.moment(when) if dated else None
        digest = _digest(provider, model, used, cost, requests, happened_at, keyed)
        key = self.key if keyed else None
        known = self.answers.get(name) if name else None
        try:
            answer = metering.record_usage(
                user_id=self.id, provider=provider, model=model, requests=requests, input_tokens=used.input,
                output_tokens=used.output, reasoning_tokens=used.reasoning, cost=cost, api_key_id=key,
                idempotency_key=name, digest=digest, happened_at=happened_at, at=at,
            )  # fmt: skip
        except metering.IdempotencyError:
            assert known is not None
            assert known[0] != digest
            return
        if known is not None:
            assert known == (digest, answer)
            return
        if name:
            self.answers[name] = (digest, answer)
        self.counted.append(
            Counted(min(happened_at or at, at), provider, model, requests, used.total, cost or Decimal(0), key)
        )

    @precondition(lambda self: self.answers)
    @rule(index=which)
    def repeat(self, index: int) -> None:
        name = sorted(self.answers)[index % len(self.answers)]
        digest, answer = self.answers[name]
        again = metering.record_usage(
            user_id=self.id, provider="acme", model="one", idempotency_key=name, digest=digest, at=self.now
        )
        assert again == answer

    @rule(
        batch=st.lists(
            st.tuples(providers, models, tokens, costs, st.integers(1, 3), names, happened), min_size=1, max_size=6
        )
    )
    def batch(self, batch: list[tuple[str, str, Tokens, Decimal | None, int, str | None, Happened]]) -> None:
        fresh: list[Counted] = []
        records = []
        for provider, model, used, cost, requests, name, when in batch:
            happened_at = self.moment(when)
            records.append(BatchRecord(provider, model, used, requests, cost, name, happened_at))
            if name is None or name not in self.synced:
                fresh.append(
                    Counted(min(happened_at, self.now), provider, model, requests, used.total, cost or Decimal(0))
                )
            self.synced |= {name} if name else set()
        assert metering.record_batch(user_id=self.id, records=records, at=self.now) == len(fresh)
        self.counted += fresh

    # What is set aside

    @rule(provider=providers, model=models, estimate=st.integers(0, 60_000), cost=costs, keyed=st.booleans())
    def reserve(self, provider: str, model: str, estimate: int, cost: Decimal | None, keyed: bool) -> None:
        key = self.key if keyed else None
        room = all(_has_room(quota, estimate, cost or Decimal(0)) for quota in self.applying(provider, model, key))
        try:
            made = metering.reserve(
                user_id=self.id, provider=provider, model=model, tokens=estimate, cost=cost, api_key_id=key, at=self.now
            )
        except metering.QuotaExceededError:
            assert not room
            return
        assert room
        for quota in self.applying(provider, model, key):
            assert _is_within(quota)
        self.held.append(
            Held(made.id, provider, model, self.now, self.now + timedelta(seconds=metering.RESERVATION_SECONDS), key)
        )

    @precondition(lambda self: self.held)
    @rule(index=which, used=tokens, cost=costs)
    def settle(self, index: int, used: Tokens, cost: Decimal | None) -> None:
        held = self.held[index % len(self.held)]
        digest = _digest(used, cost)
        try:
            answer = metering.settle(
                user_id=self.id, reservation_id=held.id, provider=held.provider, model=held.model, tokens=used,
                cost=cost, digest=digest, at=self.now,
            )  # fmt: skip
        except metering.ReservationClosedError:
            assert held.state == "settled"
            assert held.digest != digest
            return
        if held.state == "settled":
            assert (held.digest, held.answer) == (digest, answer)
            return
        held.state, held.digest, held.answer = "settled", digest, answer
        self.counted.append(
            Counted(held.made_at, held.provider, held.model, 1, used.total, cost or Decimal(0), held.key)
        )

    @precondition(lambda self: self.held)
    @rule(index=which)
    def release(self, index: int) -> None:
        held = self.held[index % len(self.held)]
        try:
            metering.release(user_id=self.id, reservation_id=held.id, at=self.now)
        except metering.ReservationClosedError:
            assert held.state == "settled"
            return
        assert held.state != "settled"
        held.state = "released" if held.state == "open" else held.state

    @rule()
    def expire(self) -> None:
        metering.expire(user_id=self.id, at=self.now)
        with tenant(self.id):
            assert not Reservation.objects.filter(state="open", expires_at__lte=self.now).exists()

    @rule()
    def look_at_the_report(self) -> None:
        """Closes the days that are over, of which `ledger.check` then knows whether they are as the ledger's."""
        with tenant(self.id), connections["default"].cursor() as cursor:
            cursor.execute("SELECT usage_report(%s, 'all', '', '', %s)::text", [self.id, self.now])
            report = json.loads(cursor.fetchone()[0], parse_float=Decimal)
        shown = [one for one in self.counted if one.at <= self.now]
        assert report["totals"]["requests"] == sum(one.requests for one in shown)
        assert sum(day["tokens"] for day in report["dailyUsage"]) == sum(one.tokens for one in shown)
        assert sum(model["cost"] for model in report["breakdown"]["models"]) == sum(one.cost for one in shown)

    # What changes around it

    @rule(seconds=spans)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(index=which, microseconds=st.sampled_from([-1, 0, 1]))
    def a_window_ends(self, index: int, microseconds: int) -> None:
        ends = [quota.ends_at for quota in quotas.quotas_of(user_id=self.id, at=self.now)]
        self.now = max(self.now, ends[index % len(ends)] + timedelta(microseconds=microseconds))

    @rule(zone=st.sampled_from(ZONES))
    def move(self, zone: str) -> None:
        with tenant(self.id):
            Profile.objects.filter(user_id=self.id).update(timezone=zone)

    @rule(tier=st.sampled_from(Tier))
    def change_tier(self, tier: Tier) -> None:
        set_tier(user_id=self.id, tier=tier)

    @rule(
        period=st.sampled_from(Period),
        provider=st.none() | providers,
        most=st.sampled_from([1_000, 40_000]),
        cost=costs,
    )
    def set_budget(self, period: Period, provider: str | None, most: int, cost: Decimal | None) -> None:
        quotas.set_budget(user_id=self.id, period=period, provider=provider, tokens=most, cost=cost or None)

    @rule(period=st.sampled_from(Period), provider=st.none() | providers)
    def remove_budget(self, period: Period, provider: str | None) -> None:
        quotas.remove_budget(user_id=self.id, period=period, provider=provider)

    @rule(
        period=st.sampled_from(Period),
        provider=providers,
        model=st.just("") | models,
        most=st.sampled_from([2, 7, None]),
    )
    def set_quota(self, period: Period, provider: str, model: str, most: int | None) -> None:
        if most is None:
            quotas.remove_quota(user_id=self.id, period=period, provider=provider, model=model)
        else:
            # Not below the budgets that `set_budget` sets.
            quotas.set_quota(
                user_id=self.id, period=period, provider=provider, model=model, request_limit=most, token_limit=50_000
            )

    # What holds all the time

    @invariant()
    def windows_equal_the_ledger(self) -> None:
        assert ledger.check(user_id=self.id).differences == []

    @invariant()
    def the_ledger_holds_what_was_counted(self) -> None:
        with tenant(self.id), connections["default"].cursor() as cursor:
            cursor.execute(
                f"SELECT provider, model, sum(request_count), sum(input_tokens + output_tokens + reasoning_tokens),"
                f" coalesce(sum(total_cost), 0) FROM {UsageRecord._meta.db_table} GROUP BY provider, model"
            )
            found = {(provider, model): tuple(sums) for provider, model, *sums in cursor.fetchall()}
        assert found == {
            pair: _sums(one for one in self.counted if (one.provider, one.model) == pair)
            for pair in {(one.provider, one.model) for one in self.counted}
        }

    @invariant()
    def windows_hold_what_happened_in_their_time(self) -> None:
        with tenant(self.id):
            windows = list(QuotaWindow.objects.select_related("limit"))
        self.cuts = sorted({cut for window in windows for cut in (window.starts_at, window.ends_at)})
        for window in windows:
            limit = window.limit
            assert (window.used_requests, window.used_tokens, window.used_cost) == _sums(
                one
                for one in self.counted
                if window.starts_at <= one.at < window.ends_at
                and limit.provider in {"", one.provider}
                and limit.model in {"", one.model}
                and limit.api_key_id in {None, one.key}
            )
        for period in Period:
            times = sorted({(one.starts_at, one.ends_at) for one in windows if one.limit.period == period})
            assert all(before[1] <= after[0] for before, after in pairwise(times))
            assert self.has_lagged or all(end - start >= SHORTEST[period] for start, end in times)

    @invariant()
    def reservations_end_as_they_should(self) -> None:
        with tenant(self.id):
            found = dict(Reservation.objects.values_list("id", "state"))
        for held in self.held:
            if held.state == "open" and found[held.id] == "expired":
                assert held.expires_at <= self.now
                held.state = "expired"
            assert found[held.id] == held.state
        assert len(found) == len(self.held)

    def moment(self, when: Happened) -> datetime:
        if isinstance(when, timedelta):
            return self.now - when
        which, after = when
        return (self.cuts[which % len(self.cuts)] if self.cuts else self.now) + after

    def applying(self, provider: str, model: str, key: UUID | None) -> list[Quota]:
        return [
            quota
            for quota in quotas.quotas_of(user_id=self.id, at=self.now)
            if quota.provider in {"", provider} and quota.model in {"", model} and quota.api_key_id in {None, key}
        ]


def _digest(*body: object) -> str:
    return sha256(repr(body).encode()).hexdigest()


def _sums(counted: Any) -> tuple[int, int, Decimal]:
    rows = list(counted)
    return (
        sum(one.requests for one in rows),
        sum(one.tokens for one in rows),
        sum((one.cost for one in rows), start=Decimal(0)),
    )


def _has_room(quota: Quota, estimate: int, cost: Decimal) -> bool:
    return all(
        allowed is None or (taken < allowed and taken + asked <= allowed)
        for allowed, taken, asked in (
            (quota.request_limit, quota.used_requests + quota.reserved_requests, 1),
            (quota.token_limit, quota.used_tokens + quota.reserved_tokens, estimate),
            (quota.cost_limit, quota.used_cost + quota.reserved_cost, cost),
        )
    )


def _is_within(quota: Quota) -> bool:
    return all(
        allowed is None or taken <= allowed
        for allowed, taken in (
            (quota.request_limit, quota.used_requests + quota.reserved_requests),
            (quota.token_limit, quota.used_tokens + quota.reserved_tokens),
            (quota.cost_limit, quota.used_cost + quota.reserved_cost),
        )
    )


@pytest.mark.timeout(7200 if THOROUGH else 300)
def test_it_works(db: None) -> None:
    run_state_machine_as_test(
        Metering,
        settings=settings(
            max_examples=2_000 if THOROUGH else 40,
            stateful_step_count=60 if THOROUGH else 30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
