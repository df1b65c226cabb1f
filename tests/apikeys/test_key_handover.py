"""What the hand-over of a browser's keys asks of the vault."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from apikeys.vault import Outcome
from tests.apikeys.conftest import SECRETS
from wavelength.envelope import Secret
from wavelength.tenancy import tenant


def hand_over(person: User, provider: str, secret: str, base_url: str | None = None, enabled: bool = True) -> Outcome:
    with tenant(person.pk):
        return vault.store_migrated_key(
            user_id=person.pk, provider=provider, secret=Secret(secret), base_url=base_url, enabled=enabled
        )


def stored(person: User) -> dict[str, str]:
    """The person's secrets by the names of their keys."""
    with tenant(person.pk):
        return {key.key_name: vault.open_key(key).secret.reveal() for key in ApiKey.objects.all()}


@pytest.mark.parametrize("provider", SECRETS)
def test_it_works(alice: User, provider: str) -> None:
    outcome = hand_over(
        alice, provider, f" {SECRETS[provider]}\n", base_url="https://llm.example.com/v1/", enabled=False
    )

    assert outcome == Outcome("stored")
    assert stored(alice) == {"Default": SECRETS[provider]}
    with tenant(alice.pk):
        key = ApiKey.objects.get()
    assert (key.provider, key.base_url, key.is_active) == (provider, "https://llm.example.com/v1", False)


def test_again_changes_nothing(alice: User) -> None:
    hand_over(alice, "openai", SECRETS["openai"])

    assert hand_over(alice, "openai", SECRETS["openai"], enabled=False) == Outcome("already there")
    assert hand_over(alice, "openrouter", SECRETS["openai"]) == Outcome("already there")
    with tenant(alice.pk):
        assert [key.is_active for key in ApiKey.objects.all()] == [True]


def test_another_secret_for_a_taken_name_gets_a_new_name(alice: User) -> None:
    for number in range(3):
        assert hand_over(alice, "openai", f"sk-secret-number-{number}") == Outcome("stored")

    assert stored(alice) == {
        "Default": "sk-secret-number-0",
        "Default 2": "sk-secret-number-1",
        "Default 3": "sk-secret-number-2",
    }


@pytest.mark.parametrize(
    ("provider", "secret", "base_url"),
    [
        ("mistral", "sk-a-good-secret-1234", None),
        ("openai", "short", None),
        ("openai", "sk-ant-a-good-secret-1234", None),
        ("openai", "nul\0nul\0nul\0", None),
        ("openai", "\ud800-lone-surrogate", None),
        ("openai", "sk-a-good-secret-1234", "http://192.168.0.7:1234/v1"),
        ("openai", "sk-a-good-secret-1234", "javascript:alert(1)"),
        ("openai", "sk-a-good-secret-1234", "https://[broken"),
        ("openai", "sk-a-good-secret-1234", "https://exa\0mple.com"),
    ],
)
def test_what_is_refused_is_told_without_its_content(
    alice: User, provider: str, secret: str, base_url: str | None
) -> None:
    outcome = hand_over(alice, provider, secret, base_url)

    assert outcome.kind == "refused"
    assert outcome.sentence
    assert secret not in outcome.sentence
    assert base_url is None or base_url not in outcome.sentence
    assert stored(alice) == {}


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_four_at_once_leave_one_copy(alice: User) -> None:
    barrier = Barrier(4)

    def same_browser(_: int) -> list[str]:
        barrier.wait()
        try:
            with tenant(alice.pk):
                return [
                    vault.store_migrated_key(user_id=alice.pk, provider="openai", secret=Secret(secret)).kind
                    for secret in ("sk-first-secret-123", "sk-second-secret-123")
                ]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(kind for kinds in pool.map(same_browser, range(4)) for kind in kinds)

    assert outcomes == ["already there"] * 6 + ["stored"] * 2
    assert sorted(stored(alice).values()) == ["sk-first-secret-123", "sk-second-secret-123"]
