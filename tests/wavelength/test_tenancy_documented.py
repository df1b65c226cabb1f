"""The threat model names every table without a policy and every function that runs past them."""

from pathlib import Path

import pytest

from wavelength.tenancy.lint import DEFINER_FUNCTIONS, EXEMPT

SECURITY = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text()


@pytest.mark.parametrize("table", EXEMPT)
def test_every_exempt_table_is_named(table: str) -> None:
    assert f"`{table}`" in SECURITY


@pytest.mark.parametrize("function", DEFINER_FUNCTIONS)
def test_every_definer_function_is_named(function: str) -> None:
    assert f"`{function}(" in SECURITY
