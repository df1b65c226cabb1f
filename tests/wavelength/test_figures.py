"""How figures are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from wavelength.templatetags.figures import ago, compact, count, duration, money, until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (None, "–"),
        (Decimal(0), "$0.00"),
        (Decimal("0.000000000001"), "<$0.000001"),
        (Decimal("0.0000042"), "$0.0000042"),
        (Decimal("0.00042"), "$0.00042"),
        (Decimal("0.0099"), "$0.0099"),
        (Decimal("0.01"), "$0.01"),
        (Decimal("0.996"), "$1.00"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal(-2), "−$2.00"),
    ],
)
def test_money(amount: Decimal | None, written: str) -> None:
    assert money(amount) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (None, "–"),
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1234, "1.23k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (999_999, "1M"),
        (4_560_000, "4.56M"),
        (2_000_000_000, "2B"),
    ],
)
def test_compact(number: int | None, written: str) -> None:
    assert compact(number) == written


def test_count() -> None:
    assert (count(None), count(1234567)) == ("–", "1,234,567")


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [(None, ""), (840, "840 ms"), (12_400, "12.4 s"), (59_990, "1 min 0 s"), (200_000, "3 min 20 s")],
)
def test_duration(milliseconds: float | None, written: str) -> None:
    assert duration(milliseconds) == written


@pytest.mark.parametrize(
    ("elapsed", "written"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=40), "20 Jan 2026"),
    ],
)
def test_ago(elapsed: timedelta, written: str) -> None:
    assert ago(NOW - elapsed, NOW) == written


def test_ago_of_nothing() -> None:
    assert ago(None) == "never"


@pytest.mark.parametrize(
    ("left", "written"),
    [
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=40), "in 1 minute"),
        (timedelta(minutes=59), "in 59 minutes"),
        (timedelta(hours=23, minutes=40), "in 24 hours"),
        (timedelta(days=2, hours=1), "in 2 days"),
        (timedelta(days=30), "in 30 days"),
    ],
)
def test_until(left: timedelta, written: str) -> None:
    assert until(NOW + left, NOW) == written


def test_until_nothing() -> None:
    assert until(None) == ""
