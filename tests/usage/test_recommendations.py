"""Advice: every figure to its last digit, and none without data."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from usage import metering
from usage.metering import BatchRecord, Tokens
from usage.models import ModelAccess, ModelPrice
from usage.quotas import Quota
from usage.recommendations import Advice, advice_of
from usage.reports import Range, Report, Share, Span, Sums, Unit, report_of
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
# Administrators' rows are committed by another role.
BY_OPERATOR = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 20, tzinfo=UTC)


def quota(**values: object) -> Quota:
    given: dict[str, object] = {
        "limit_id": uuid4(), "period": "daily", "provider": "", "model": "", "api_key_id": None, "tier": "free",
        "request_limit": None, "token_limit": 100_000, "cost_limit": None, "own_token_limit": None,
        "own_cost_limit": None, "used_requests": 10, "used_tokens": 80_000, "used_cost": Decimal(0),
        "reserved_requests": 0, "reserved_tokens": 0, "reserved_cost": Decimal(0), "starts_at": MIDNIGHT,
        "ends_at": MIDNIGHT + timedelta(days=1),
    }  # fmt: skip
    return Quota(**(given | values))  # type: ignore[arg-type]  # of a dict


def report(days: dict[date, Sums] | None = None, models: list[Share] | None = None) -> Report:
    starts = NOW - timedelta(days=30)
    recent = Range(
        Span.RECENT, Unit.DAY, starts, NOW, starts - timedelta(days=30), starts, ZoneInfo("UTC"), starts.date(),
        NOW.date(),
    )  # fmt: skip
    return Report(
        range=recent, totals=Sums(), before=Sums(), providers=[], models=models or [], sources=[], days=days or {},
        hours={}, stacks=[], heat={}, lines=[], all_lines=0, choices=[],
    )  # fmt: skip


def said(**given: object) -> list[Advice]:
    values: dict[str, object] = {"tier": "free", "report": report(), "quotas": []}
    return advice_of(**(values | given))  # type: ignore[arg-type]  # of a dict


def use(person: User, requests: int = 20, **more: object) -> None:
    given: dict[str, object] = {"provider": "openai", "model": "gpt-4o", "tokens": Tokens(10_001, 2_003, 0, 1_000)}
    record = BatchRecord(**(given | more))  # type: ignore[arg-type]  # of a dict
    metering.record_batch(user_id=person.pk, records=[record] * requests)


def cheaper(person: User, tier: str = "free") -> list[Advice]:
    with tenant(person.pk):
        recent = report_of(user_id=person.pk, span=Span.RECENT)
        return advice_of(tier=tier, report=recent, quotas=[])


# ── A cheaper model ──────────────────────────────────────────────────────────────────────────


def test_a_cheaper_model_is_named_with_what_the_same_tokens_cost(alice: User) -> None:
    use(alice)
    [advice] = cheaper(alice)
    # gpt-4o: 2.50 in, 1.25 cached, 10 out a million; gpt-4o-mini: 0.15, 0.075 and 0.60.
    paid = 20 * (Decimal(9_001) * Decimal("2.5") + 1_000 * Decimal("1.25") + 2_003 * 10) / 10**6
    less = 20 * (Decimal(9_001) * Decimal("0.15") + 1_000 * Decimal("0.075") + 2_003 * Decimal("0.6")) / 10**6
    assert (paid, less) == (Decimal("0.87565"), Decimal("0.052539"))
    assert advice.sentence == (
        "With <bdi>gpt-4o-mini</bdi>, the last 30 days of <bdi>gpt-4o</bdi> would have cost $0.05 instead of $0.88."
    )
    assert advice.figures == [
        ("Requests to gpt-4o", "20"),
        ("Input tokens, of which cached", "200,020, 20,000"),
        ("Output tokens", "40,060"),
        ("What they cost", "$0.87565"),
        ("gpt-4o-mini, a million tokens", "$0.15 in, $0.60 out"),
        ("The same at its price", "$0.052539"),
        ("Less by", "$0.823111"),
    ]


def test_what_was_really_charged_is_compared(alice: User) -> None:
    use(alice, cost=Decimal("0.06"))
    [advice] = cheaper(alice)
    assert ("What they cost", "$1.2") in advice.figures


@pytest.mark.parametrize(
    "usage",
    [
        {"requests": 19},  # too few
        {"cost": Decimal("0.01")},  # too little: $0.20
        {"model": "gpt-4o-mini", "cost": Decimal(1)},  # nothing smaller
        {"model": "made-up", "cost": Decimal(1)},  # no kin
        {"provider": "nobody", "cost": Decimal(1)},
        {"cost": Decimal("0.025"), "tokens": Tokens(100_000, 30_000)},  # mini would cost more than it
        {"happened_at": datetime.now(UTC) - timedelta(days=40)},  # too long ago
    ],
)
def test_no_cheaper_model_without_enough_to_go_by(alice: User, usage: dict[str, object]) -> None:
    use(alice, **usage)  # type: ignore[arg-type]  # of a dict
    assert cheaper(alice) == []


def test_none_where_some_of_it_has_no_known_cost(alice: User) -> None:
    share = report_with(alice).models[0]
    unknown = Share(share.origin, share.sums + Sums(requests=1, unpriced=1))
    with tenant(alice.pk):
        assert said(report=report(models=[unknown])) == []
        assert len(said(report=report(models=[share]))) == 1


def report_with(person: User) -> Report:
    use(person)
    return report_of(user_id=person.pk, span=Span.RECENT)


@BY_OPERATOR
def test_only_models_of_ones_tier_are_named(alice: User) -> None:
    use(alice)
    rule = ModelAccess(provider="openai", model="gpt-4o-mini", tier="pro")
    rule.save(using="operator")
    assert cheaper(alice) == []
    assert len(cheaper(alice, tier="pro")) == 1
    rule.model = ""
    rule.save(using="operator")
    assert cheaper(alice) == []
    ModelAccess(provider="openai", model="gpt-4o-mini", tier="free").save(using="operator")
    assert len(cheaper(alice)) == 1


@BY_OPERATOR
def test_an_administrators_price_goes_first(alice: User) -> None:
    use(alice, requests=40)
    price = ModelPrice(provider="openai", model="gpt-4o-mini", input_price=Decimal("1.5"), output_price=Decimal(3))
    price.save(using="operator")
    [advice] = cheaper(alice)
    assert ("The same at its price", "$0.84042") in advice.figures  # 400,040 × 1.50 + 80,120 × 3
    assert ("gpt-4o-mini, a million tokens", "$1.50 in, $3.00 out") in advice.figures
    price.output_price = Decimal(100)
    price.save(using="operator")
    assert cheaper(alice) == []


def test_the_two_that_save_most_are_named(alice: User) -> None:
    for model, cost in (("gpt-4o", 1), ("gpt-4.1", 3), ("gpt-5", 2)):
        use(alice, model=model, cost=Decimal(cost))
    advice = cheaper(alice)
    assert ["gpt-4.1-mini" in advice[0].sentence, "gpt-5.5" in advice[1].sentence, len(advice)] == [True, True, 2]


def test_what_others_wrote_is_escaped(alice: User) -> None:
    use(alice, model="<i>/gpt-4o", cost=Decimal(1))
    assert all("<i>" not in advice.sentence for advice in cheaper(alice))


def test_another_persons_usage_gives_no_advice(alice: User, bob: User) -> None:
    use(alice)
    assert cheaper(bob) == []


# ── A quota that ends before it renews ───────────────────────────────────────────────────────


def test_a_quota_that_ends_early_says_when() -> None:
    [advice] = said(quotas=[quota()])
    assert advice.sentence == (
        "At this pace you reach today's limit of 100,000 tokens at 15:00. It renews on 21 Mar, 00:00."
    )
    assert advice.figures == [
        ("Used since 20 Mar, 00:00", "80,000 tokens"),
        ("Pace, an hour", "6,666 tokens"),
        ("Allowed", "100,000 tokens"),
        ("Reached at this pace", "20 Mar, 15:00"),
        ("Renews", "21 Mar, 00:00"),
    ]
    assert advice.until == MIDNIGHT + timedelta(days=1)
    assert advice.urgent


def test_of_one_quota_the_figure_that_ends_first_is_named() -> None:
    monthly = quota(
        period="monthly", starts_at=datetime(2026, 3, 1, tzinfo=UTC), ends_at=datetime(2026, 4, 1, tzinfo=UTC),
        token_limit=1_000, used_tokens=800, cost_limit=Decimal(50), used_cost=Decimal(45), provider="openai",
    )  # fmt: skip
    [advice] = said(quotas=[monthly])
    # 45 of 50 in 19.5 days: all of it in 21 days and 16 hours.
    assert "this month's limit of $50.00 for <bdi>OpenAI</bdi> on 22 Mar, 16:00. It renews on 1 Apr" in advice.sentence
    assert ("Pace, a day", "$2.31") in advice.figures


@pytest.mark.parametrize(
    "values",
    [
        {"used_tokens": 50_000},  # ends as it renews
        {"used_tokens": 100_000},  # is used up: the meter says so
        {"used_tokens": 24_999, "starts_at": NOW - timedelta(hours=4)},  # little of it
        {"starts_at": NOW - timedelta(hours=2, minutes=59)},  # too soon to tell
        {"token_limit": None},
        {"api_key_id": uuid4()},  # the keys page shows those
    ],
)
def test_no_pace_without_enough_to_go_by(values: dict[str, object]) -> None:
    assert said(quotas=[quota(**values)]) == []


def test_a_higher_limit_is_another_subject() -> None:
    now = quota()
    [first], [same] = said(quotas=[now]), said(quotas=[now])
    [higher] = said(quotas=[quota(limit_id=now.limit_id, token_limit=120_000)])
    assert first.subject == same.subject != higher.subject


# ── An unusual day ───────────────────────────────────────────────────────────────────────────


def days(*costs: str, today: str = "9") -> dict[date, Sums]:
    """One day after the other up to yesterday, then today."""
    told = [*costs, today]
    first = NOW.date() - timedelta(days=len(told) - 1)
    return {
        first + timedelta(days=number): Sums(requests=3, input=10, output=20, cost=Decimal(cost))
        for number, cost in enumerate(told)
    }


def test_an_unusual_day_is_told_by_median_and_deviation() -> None:
    [advice] = said(report=report(days("1", "2", "3", "1.5", "2.5", "1", "2", today="8.51")))
    assert advice.sentence == "20 March cost $8.51. A usual day of yours costs $2.00."
    assert advice.figures == [
        ("Requests that day", "3"),
        ("Tokens that day", "30"),
        ("Cost that day", "$8.51"),
        ("Median of the 7 other days with a cost in four weeks", "$2"),
        ("Median distance from it", "$0.5"),
        ("Unusual above", "$5"),
    ]


@pytest.mark.parametrize(
    "history",
    [
        days("1", "2", "3", "1.5", "2.5", "1", "2", today="5"),  # at the edge
        days("1", "1", "1", "1", "1", "1"),  # six days are too few
        days("0.1", "0.1", "0.1", "0.1", "0.1", "0.1", "0.1", today="1.1"),  # a dollar more is not much
        days("9", "1", "1", "1", "1", "1", "1", "1", today="1"),  # a week ago
        {},
    ],
)
def test_no_unusual_day_without_enough_to_go_by(history: dict[date, Sums]) -> None:
    assert said(report=report(history)) == []


def test_days_before_the_four_weeks_and_without_cost_do_not_count() -> None:
    old = {NOW.date() - timedelta(days=29): Sums(requests=1, cost=Decimal(1))}
    free = {NOW.date() - timedelta(days=20): Sums(requests=1, cost=Decimal(0))}
    unknown = {NOW.date() - timedelta(days=21): Sums(requests=1, unpriced=1)}
    assert said(report=report(old | free | unknown | days("1", "1", "1", "1", "1", "1"))) == []
    assert len(said(report=report(days("1", "1", "1", "1", "1", "1", "1")))) == 1


def test_a_new_account_is_told_nothing(alice: User) -> None:
    assert cheaper(alice) == []
