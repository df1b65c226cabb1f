"""`report_of`: what the pages show, on the person's own calendar."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models import Profile, User
from usage import metering
from usage.charts import HEIGHT, chart_of, timeline_of
from usage.comparing import change
from usage.metering import BatchRecord, Tokens
from usage.models import Source
from usage.reports import By, Origin, Share, Slot, Span, Sums, Unit, range_of, report_of
from wavelength.tenancy import tenant

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)  # 12:00 in Berlin


@pytest.fixture
def in_berlin(alice: User) -> User:
    with tenant(alice.pk):
        Profile.objects.update(timezone="Europe/Berlin")
    return alice


def used(person: User, happened_at: datetime, *, source: Source = Source.CLIENT, **more: Any) -> None:
    given = {"provider": "openai", "model": "m", "tokens": Tokens(10, 20, 5, 4), "cost": Decimal("0.25"), **more}
    metering.record_batch(
        user_id=person.pk,
        records=[BatchRecord(happened_at=happened_at, **given)],
        source=source,
        at=max(NOON, happened_at),
    )


def test_it_works(in_berlin: User) -> None:
    used(in_berlin, NOON)
    used(in_berlin, NOON - timedelta(hours=3), model="n", cost=None)
    used(in_berlin, NOON - timedelta(hours=3), provider="xai", source=Source.GATEWAY, cost=Decimal("1e-9"))
    report = report_of(user_id=in_berlin.pk, span=Span.TODAY, at=NOON)
    assert (report.starts, report.range.ends, report.range.zone) == (
        datetime(2026, 11, 22, 23, tzinfo=UTC),
        NOON,
        BERLIN,
    )
    assert report.totals == Sums(3, 1, 30, 60, 15, 12, Decimal("0.250000001"))
    assert report.totals.tokens == 105
    assert report.providers == [
        Share(Origin("openai"), Sums(2, 1, 20, 40, 10, 8, Decimal("0.25"))),
        Share(Origin("xai"), Sums(1, 0, 10, 20, 5, 4, Decimal("1e-9"))),
    ]
    assert [(share.origin, share.sums.cost) for share in report.models] == [
        (Origin("openai", "m"), Decimal("0.25")),
        (Origin("xai", "m"), Decimal("1e-9")),
        (Origin("openai", "n"), None),
    ]
    assert [share.origin.source for share in report.sources] == ["client", "gateway"]
    assert report.days == {date(2026, 11, 23): report.totals}
    assert {hour: sums.requests for hour, sums in report.hours.items()} == {NOON - timedelta(hours=3): 2, NOON: 1}


def test_filters_apply_to_every_figure_and_the_choices_stay(in_berlin: User) -> None:
    used(in_berlin, NOON)
    used(in_berlin, NOON, source=Source.GATEWAY)
    used(in_berlin, NOON, provider="xai", model="n")
    used(in_berlin, NOON - timedelta(days=1), provider="google")
    report = report_of(user_id=in_berlin.pk, span=Span.TODAY, only=Origin("openai", "m", "gateway"), at=NOON)
    assert report.totals.requests == report.days[date(2026, 11, 23)].requests == report.hours[NOON].requests == 1
    assert report.before == Sums()
    for shares in (report.providers, report.models, report.sources):
        assert [share.sums for share in shares] == [report.totals]
    assert report.choices == [
        Origin("openai", "m", "client"),
        Origin("openai", "m", "gateway"),
        Origin("xai", "n", "client"),
    ]


@pytest.mark.parametrize(
    ("span", "starts", "before"),
    [
        (Span.TODAY, datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC)),
        (Span.WEEK, datetime(2026, 11, 16, 23, tzinfo=UTC), datetime(2026, 11, 9, 23, tzinfo=UTC)),
        (Span.RECENT, datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 9, 24, 22, tzinfo=UTC)),
        (Span.MONTH, datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 9, 30, 22, tzinfo=UTC)),
    ],
)
def test_the_period_before_goes_as_far(in_berlin: User, span: Span, starts: datetime, before: datetime) -> None:
    """Each hour counts once at most: in the period, in the one before up to the same point of it, or not at all."""
    hour = timedelta(hours=1)
    ends_before = before + (NOON - starts)
    moments = [starts, NOON, starts - hour, before, ends_before - hour, before - hour, NOON + hour]
    for requests, at in enumerate(moments):
        used(in_berlin, at, requests=10**requests)
    report = report_of(user_id=in_berlin.pk, span=span, at=NOON)
    assert report.starts == starts
    assert report.totals.requests == 11
    assert report.before is not None
    assert report.before.requests == 11_000


def test_everything_has_nothing_before(in_berlin: User) -> None:
    used(in_berlin, datetime(1999, 12, 31, 23, 30, tzinfo=UTC), source=Source.MIGRATION)
    report = report_of(user_id=in_berlin.pk, span=Span.ALL, at=NOON)
    assert (report.before, list(report.days)) == (None, [date(2000, 1, 1)])
    timeline = timeline_of(report)
    assert (timeline.unit, timeline.slots[0].name, timeline.slots[-1].name) == (
        "Year",
        "2000",
        "2026",
    )
    assert sum(slot.sums.requests for slot in timeline.slots) == 1


@pytest.mark.parametrize(
    ("first", "last", "unit", "slots"),
    [
        (date(2026, 11, 22), date(2026, 11, 23), Unit.HOUR, 48),
        (date(2026, 11, 21), date(2026, 11, 23), Unit.DAY, 3),
        (date(2026, 8, 24), date(2026, 11, 23), Unit.DAY, 92),
        (date(2026, 8, 23), date(2026, 11, 23), Unit.WEEK, 15),
        (date(2025, 10, 20), date(2026, 11, 23), Unit.WEEK, 58),
        (date(2025, 10, 19), date(2026, 11, 23), Unit.MONTH, 14),
        (date(2016, 10, 5), date(2026, 11, 23), Unit.YEAR, 11),
    ],
)
def test_the_unit_follows_the_length(in_berlin: User, first: date, last: date, unit: Unit, slots: int) -> None:
    """Whatever the unit, every figure has its slot, and the slots and the stacks sum up to the whole."""
    midnight = datetime(first.year, first.month, first.day, tzinfo=BERLIN).astimezone(UTC)
    length = NOON - midnight
    for number in range(12):
        used(in_berlin, midnight + length * number / 11, model=f"m{number}")
    used(in_berlin, midnight - timedelta(minutes=1), requests=1000)
    report = report_of(user_id=in_berlin.pk, span=Span.CUSTOM, first=first, last=last, at=NOON, listed=100)
    timeline = timeline_of(report)
    assert (report.range.unit, len(timeline.slots), report.totals.requests) == (unit, slots, 12)
    assert sum(slot.sums.requests for slot in timeline.slots) == 12
    known = {slot.slot for slot in timeline.slots}
    assert [len(stack.slots) > 0 for stack in report.stacks] == [True] * 7
    assert {slot for stack in report.stacks for slot in stack.slots} <= known
    assert sum(sums.requests for stack in report.stacks for sums in stack.slots.values()) == 12
    assert (len(report.lines), report.all_lines) == (12, 12)
    assert {line.slot for line in report.lines} <= known
    assert sum(report.heat.values()) == (0 if unit is Unit.HOUR else 12)


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        # Over: the whole of as many days before. Going on: up to the same point of them.
        (date(2026, 11, 10), date(2026, 11, 12), 0b111),
        (date(2026, 11, 23), date(2026, 11, 24), 0b1000000),
    ],
)
def test_what_a_custom_range_is_compared_with(in_berlin: User, first: date, last: date, before: int) -> None:
    for number, day in enumerate((7, 8, 9)):
        used(in_berlin, datetime(2026, 11, day, 23, 30, tzinfo=BERLIN), requests=1 << number)
    used(in_berlin, datetime(2026, 11, 6, 23, 30, tzinfo=BERLIN), requests=8)
    used(in_berlin, datetime(2026, 11, 10, 0, 30, tzinfo=BERLIN), requests=16)
    used(in_berlin, datetime(2026, 11, 21, 10, 30, tzinfo=BERLIN), requests=64)
    used(in_berlin, datetime(2026, 11, 22, 12, 30, tzinfo=BERLIN), requests=128)
    report = report_of(user_id=in_berlin.pk, span=Span.CUSTOM, first=first, last=last, at=NOON)
    assert report.before is not None
    assert report.before.requests == before


def test_the_last_month_is_compared_with_the_whole_of_the_one_before(in_berlin: User) -> None:
    first = datetime(2026, 3, 1, 0, 30, tzinfo=BERLIN)
    for requests, moment in (
        (1, datetime(2025, 12, 31, 23, 30, tzinfo=BERLIN)),
        (10, datetime(2026, 1, 1, 0, 30, tzinfo=BERLIN)),
        (100, datetime(2026, 1, 31, 23, 30, tzinfo=BERLIN)),
        (1000, datetime(2026, 2, 1, 0, 30, tzinfo=BERLIN)),
        (10_000, datetime(2026, 2, 28, 23, 30, tzinfo=BERLIN)),
        (100_000, first),
    ):
        used(in_berlin, moment, requests=requests)
    report = report_of(user_id=in_berlin.pk, span=Span.LAST_MONTH, at=first)
    assert (report.range.first, report.range.last) == (date(2026, 2, 1), date(2026, 2, 28))
    assert report.totals.requests == 11_000
    assert report.before is not None
    assert report.before.requests == 110


def test_stacks_are_the_dearest_six_and_the_others_together(in_berlin: User) -> None:
    for number in range(9):
        used(in_berlin, NOON, provider="openai" if number % 2 else "xai", model=f"m{number}", cost=Decimal(9 - number))
    report = report_of(user_id=in_berlin.pk, span=Span.TODAY, at=NOON)
    hour = Slot(date(2026, 11, 23), NOON)
    assert [stack.origin.model for stack in report.stacks] == ["m0", "m1", "m2", "m3", "m4", "m5", ""]
    assert [stack.slots[hour].cost for stack in report.stacks] == [*map(Decimal, (9, 8, 7, 6, 5, 4)), Decimal(6)]
    report = report_of(user_id=in_berlin.pk, span=Span.TODAY, by=By.PROVIDER, at=NOON)
    assert [(stack.origin, stack.slots[hour].cost) for stack in report.stacks] == [
        (Origin("xai"), Decimal(25)),
        (Origin("openai"), Decimal(20)),
    ]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 5, 1), 24)])
def test_a_day_has_the_hours_it_has(in_berlin: User, day: date, hours: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)
    for hour in range(hours):
        used(in_berlin, midnight + timedelta(hours=hour))
    at = midnight + timedelta(hours=hours, seconds=-1)
    report = report_of(user_id=in_berlin.pk, span=Span.TODAY, at=at)
    assert report.totals.requests == hours
    assert [slot.sums.requests for slot in timeline_of(report).slots] == [1] * hours


def test_a_chart_has_a_place_for_every_day(in_berlin: User) -> None:
    used(in_berlin, NOON)
    used(in_berlin, NOON - timedelta(days=2), cost=Decimal("1e-9"))
    month = timeline_of(report_of(user_id=in_berlin.pk, span=Span.MONTH, at=NOON))
    assert (len(month.slots), month.slots[22].short, month.slots[22].sums.requests) == (30, "23 Nov", 1)
    chart = chart_of(month.slots, lambda sums: sums.known_cost)
    heights = [float(bar.height) for bar in chart.bars]
    assert (heights[22], chart.most) == (HEIGHT, Decimal("0.25"))
    assert heights[21] < heights[20] < 5  # nothing is less than next to nothing
    recent = timeline_of(report_of(user_id=in_berlin.pk, span=Span.RECENT, at=NOON))
    assert (len(recent.slots), recent.slots[-1].short) == (30, "23 Nov")
    assert chart_of(recent.slots[:5], lambda sums: sums.requests).bars == []


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (112, 100, "12% more than yesterday by this time"),
        (1, 4, "75% less than yesterday by this time"),
        (1000, 1001, "as much as yesterday by this time"),
        (500, 100, "5 times as much as yesterday by this time"),
        (5, 0, "none yesterday by this time"),
        (0, 0, ""),
        (None, 5, ""),
    ],
)
def test_a_change_is_told_in_words(in_berlin: User, now: int | None, before: int, words: str) -> None:
    assert change(now, before, range_of(user_id=in_berlin.pk, span=Span.TODAY, at=NOON)) == words
    assert change(now, before, range_of(user_id=in_berlin.pk, span=Span.ALL, at=NOON)) == ""


def test_another_persons_usage_never_counts(in_berlin: User, bob: User) -> None:
    used(in_berlin, NOON)
    report = report_of(user_id=bob.pk, span=Span.ALL, at=NOON)
    assert (report.totals, report.days, report.choices) == (Sums(), {}, [])
    with tenant(bob.pk), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT sum(requests) FROM usage_activity(%s, 'epoch', now(), NULL, NULL, 'UTC', 'day', '', '', '',"
            " 'model', 6, 0, 100)",
            [in_berlin.pk],
        )
        assert cursor.fetchone() == (0,)


def test_it_is_two_queries(alice: User) -> None:
    with CaptureQueriesContext(connections["default"]) as asked:
        report_of(user_id=alice.pk, span=Span.MONTH)
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) <= 3  # SET LOCAL
