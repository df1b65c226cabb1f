"""Advice about keys: those that fail, and those that nobody uses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from accounts.models import User
from apikeys import vault
from apikeys.advice import key_advice
from apikeys.models import ApiKey
from tests.apikeys.conftest import SECRETS
from usage.recommendations import Advice
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db


def advice(person: User, at: datetime | None = None, **values: Any) -> list[Advice]:
    """About one key, after these changes to it."""
    vault.store_key(user_id=person.pk, provider="openai", secret=Secret(SECRETS["openai"]), key_name="Work")
    with tenant(person.pk):
        ApiKey.objects.update(**values)
    return key_advice(vault.keys_of(person.pk), at or datetime.now(UTC))


def test_a_failing_key_says_what_its_provider_said(alice: User) -> None:
    checked = datetime(2026, 3, 2, 4, 5, tzinfo=UTC)
    problem = "OpenAI does not know this key."
    [said] = advice(alice, is_valid=False, validation_error=problem, last_validated=checked)
    assert said.sentence == "OpenAI · <bdi>Work</bdi>: OpenAI does not know this key."
    assert said.figures == [("Checked", "2 Mar 2026, 04:05"), ("Last used", "never")]
    assert said.urgent


def test_a_failing_key_says_so_in_ones_language(alice: User) -> None:
    problem = "OpenAI does not know this key. Check that it was copied whole and not revoked."
    [english] = advice(alice, is_valid=False, validation_error=problem)
    with override("es"):
        [spanish] = key_advice(vault.keys_of(alice.pk), datetime.now(UTC))
    assert "OpenAI no conoce esta clave." in spanish.sentence
    # Dismissed in one language, it is in the other.
    assert spanish.subject == english.subject


def test_a_key_unused_for_sixty_days_says_since_when(alice: User) -> None:
    now = datetime.now(UTC)
    [said] = advice(alice, now, created_at=now - timedelta(days=300), last_used=now - timedelta(days=60))
    assert said.sentence == "OpenAI · <bdi>Work</bdi> has not been used for 60 days."
    assert not said.urgent


def test_a_key_never_used_counts_from_when_it_was_added(alice: User) -> None:
    now = datetime.now(UTC)
    [said] = advice(alice, now, created_at=now - timedelta(days=61))
    assert said.sentence == "OpenAI · <bdi>Work</bdi> was added 61 days ago and never used."
    assert said.figures[0] == ("Last used", "never")


@pytest.mark.parametrize(
    ("days", "values"),
    [
        (59, {}),
        (300, {"last_used": datetime.now(UTC) - timedelta(days=59)}),
        (300, {"is_active": False}),
        (0, {"is_active": False, "is_valid": False}),
        (0, {"is_valid": None}),
    ],
)
def test_no_advice_without_reason(alice: User, days: int, values: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    assert advice(alice, now, created_at=now - timedelta(days=days), **values) == []


def test_a_failing_key_is_not_called_unused_too(alice: User) -> None:
    now = datetime.now(UTC)
    assert len(advice(alice, now, created_at=now - timedelta(days=90), is_valid=False)) == 1


def test_a_name_is_escaped(alice: User) -> None:
    [said] = advice(alice, is_valid=False, key_name="<script>")
    assert "<script>" not in said.sentence


def test_another_persons_key_gives_no_advice(alice: User, bob: User) -> None:
    advice(alice, is_valid=False)
    assert key_advice(vault.keys_of(bob.pk), datetime.now(UTC)) == []
