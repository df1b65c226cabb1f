"""Models that ask for a tier: off for all that are not listed."""

from typing import Any

import pytest

from accounts.models import Tier, User
from accounts.people import set_tier
from tests.conftest import make_person
from usage import metering
from usage.metering import QuotaExceededError, Refusal
from usage.models import ModelAccess
from usage.sentences import refused

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

OPUS: dict[str, Any] = {"provider": "anthropic", "model": "claude-opus-4-1"}
HAIKU: dict[str, Any] = {"provider": "anthropic", "model": "claude-haiku-4-5"}


@pytest.fixture
def alice() -> User:
    return make_person("alice@example.com", "Alice")


def asks_for(tier: Tier, provider: str, model: str = "") -> None:
    ModelAccess(provider=provider, model=model, tier=tier).save(using="operator")


def refusals(person: User, model: dict[str, Any]) -> list[Refusal]:
    """What stands in the way, as a reservation and a check both say."""
    told = metering.refusals_of(user_id=person.pk, **model)
    try:
        held = metering.reserve(user_id=person.pk, tokens=1, **model)
    except QuotaExceededError as error:
        assert told == list(error.refusals)
    else:
        assert told == []
        metering.release(user_id=person.pk, reservation_id=held.id)
    return told


def test_it_works(alice: User) -> None:
    asks_for(Tier.PRO, "anthropic", "claude-opus-4-1")
    (refusal,) = refusals(alice, OPUS)
    assert (refusal.kind, refusal.provider, refusal.model) == ("access", "anthropic", "claude-opus-4-1")
    assert refused(refusal) == "claude-opus-4-1 needs the Pro plan."
    assert refusals(alice, HAIKU) == []
    set_tier(user_id=alice.pk, tier=Tier.PRO)
    assert refusals(alice, OPUS) == []


def test_what_is_not_listed_is_open(alice: User) -> None:
    assert refusals(alice, OPUS) == []


def test_a_row_without_a_model_is_about_all_of_the_provider(alice: User) -> None:
    asks_for(Tier.PRO, "anthropic")
    (refusal,) = refusals(alice, HAIKU)
    assert (refusal.kind, refusal.provider, refusal.model) == ("access", "anthropic", "")
    assert refused(refusal) == "Anthropic needs the Pro plan."
    assert refusals(alice, {"provider": "openai", "model": "claude-haiku-4-5"}) == []


def test_a_models_own_row_goes_before_its_providers(alice: User) -> None:
    asks_for(Tier.PRO, "anthropic")
    asks_for(Tier.FREE, "anthropic", "claude-haiku-4-5")
    assert refusals(alice, HAIKU) == []
    assert len(refusals(alice, OPUS)) == 1


def test_what_was_used_is_counted_all_the_same(alice: User) -> None:
    held = metering.reserve(user_id=alice.pk, tokens=10, **OPUS)
    asks_for(Tier.PRO, "anthropic")
    assert metering.record_usage(user_id=alice.pk, input_tokens=5, **OPUS)["requestCount"] == 1
    settled = metering.settle(user_id=alice.pk, reservation_id=held.id, tokens=metering.Tokens(1), **OPUS)
    assert settled["requestCount"] == 2
