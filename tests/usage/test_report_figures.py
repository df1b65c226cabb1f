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
from usage.reports import Origin, Share, Span, Sums, report_of
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
    assert (report.starts, report.ends, report.zone) == (datetime(2026, 11, 22, 23, tzinfo=UTC), NOON, BERLIN)
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
        (Span.WEEK, NOON - timedelta(days=7), NOON - timedelta(days=14)),
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
    # A week ends where the next begins, so that two of those hours are the same one.
    assert report.before.requests == (11_100 if span is Span.WEEK else 11_000)


def test_everything_has_nothing_before(in_berlin: User) -> None:
    used(in_berlin, datetime(1999, 12, 31, 23, 30, tzinfo=UTC), source=Source.MIGRATION)
    report = report_of(user_id=in_berlin.pk, span=Span.ALL, at=NOON)
    assert (report.before, list(report.days)) == (None, [date(2000, 1, 1)])
    timeline = timeline_of(report)
    assert (timeline.unit, timeline.slots[0].name, timeline.slots[-1].name) == (
        "Month",
        "January 2000",
        "November 2026",
    )
    assert sum(slot.sums.requests for slot in timeline.slots) == 1


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
def test_a_change_is_told_in_words(now: int | None, before: int, words: str) -> None:
    assert change(now, before, Span.TODAY) == words
    assert change(now, before, Span.ALL) == ""


def test_another_persons_usage_never_counts(in_berlin: User, bob: User) -> None:
    used(in_berlin, NOON)
    report = report_of(user_id=bob.pk, span=Span.ALL, at=NOON)
    assert (report.totals, report.days, report.choices) == (Sums(), {}, [])
    with tenant(bob.pk), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT sum(requests) FROM usage_figures(%s, 'epoch', now(), NULL, NULL, 'UTC', '', '', '', false)",
            [in_berlin.pk],
        )
        assert cursor.fetchone() == (0,)


def test_it_is_one_query(alice: User) -> None:
    with CaptureQueriesContext(connections["default"]) as asked:
        report_of(user_id=alice.pk, span=Span.MONTH)
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) <= 2  # SET LOCAL
