"""Amounts, counts, days and devices as each language writes them (wavelength/formats/, figures)."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module

import pytest
from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import override

from wavelength.devices import device_name
from wavelength.templatetags.figures import compact, exact_money, in_percent, money

MOMENT = datetime(2026, 11, 3, 9, 5, tzinfo=UTC)


def _formats(language: str) -> dict[str, str]:
    module = import_module(f"wavelength.formats.{language}.formats")
    return {name: value for name, value in vars(module).items() if name.isupper()}


def test_every_language_has_every_format() -> None:
    names = {language: set(_formats(language)) for language, _name in settings.LANGUAGES}
    for language, known in names.items():
        assert known == set(_formats("en")), language


@pytest.mark.parametrize(
    ("language", "day", "moment", "in_full"),
    [
        ("en", "3 Nov", "3 Nov 2026, 09:05", "3 Nov 2026, 09:05"),
        ("de", "3. Nov.", "3. Nov. 2026, 09:05", "3. November 2026, 09:05"),
        ("es", "3 nov", "3 nov 2026, 09:05", "3 de noviembre de 2026, 09:05"),
    ],
)
def test_days(language: str, day: str, moment: str, in_full: str) -> None:
    with override(language):
        assert (date_format(MOMENT, "SHORT_DAY_FORMAT"), date_format(MOMENT, "MOMENT_FORMAT")) == (day, moment)
        assert date_format(MOMENT, "DATETIME_FORMAT") == in_full
        assert date_format(MOMENT, "DATE_FORMAT") == in_full.rpartition(",")[0]
        assert date_format(MOMENT, "TIME_FORMAT") == "09:05"


def test_figures_in_english() -> None:
    assert exact_money(Decimal("1E-9")) == "$0.000000001"
    assert exact_money(Decimal("1234.50")) == "$1,234.5"
    assert in_percent("12") == "12%"


def test_figures_in_german() -> None:
    with override("de"):
        assert money(Decimal("1234.5")) == "1.234,50\N{NO-BREAK SPACE}$"
        assert money(Decimal("0.000000000001")) == "<0,000001\N{NO-BREAK SPACE}$"
        assert exact_money(Decimal("1E-9")) == "0,000000001\N{NO-BREAK SPACE}$"
        assert compact(4_560_000) == "4,56\N{NO-BREAK SPACE}Mio."
        assert in_percent("12") == "12\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("device", "shown"),
    [("Firefox on Linux", "Firefox unter Linux"), ("Edge", "Edge"), ("", ""), ("robot on a leash", "robot on a leash")],
)
def test_devices_in_german(device: str, shown: str) -> None:
    with override("de"):
        assert device_name(device) == shown
