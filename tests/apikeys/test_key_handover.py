"""What the hand-over of a browser's keys asks of the vault."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey, DeletedKey
from apikeys.vault import Outcome
from tests.apikeys.conftest import SECRETS, add_for
from wavelength.envelope import Secret
from wavelength.tenancy import tenant


def hand_over(person: User, provider: str, secret: str, base_url: str | None = None, enabled: bool = True) -> Outcome:
    with tenant(person.pk):
        return vault.store_migrated_key(
            user_id=person.pk, provider=provider, secret=Secret(secret), base_url=base_url, enabled=enabled
        )


def key_of(person: User, key: ApiKey) -> ApiKey:
    with tenant(person.pk):
        return ApiKey.objects.get(pk=key.pk)


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


def test_a_deleted_key_does_not_come_back(alice: User, bob: User) -> None:
    key = add_for(alice, "openai")
    vault.delete_key(user_id=alice.pk, key_id=key.pk)

    assert hand_over(alice, "openai", f" {SECRETS['openai']}\n") == Outcome("deleted here")
    assert hand_over(alice, "openrouter", SECRETS["openai"]) == Outcome("deleted here")
    assert stored(alice) == {}
    # Another secret does, and another person knows nothing of it.
    assert hand_over(alice, "openai", "sk-another-secret-123") == Outcome("stored")
    assert hand_over(bob, "openai", SECRETS["openai"]) == Outcome("stored")


def test_a_replaced_secret_does_not_come_back(alice: User) -> None:
    key = add_for(alice, "openai")
    vault.change_key(user_id=alice.pk, key_id=key.pk, secret=Secret("sk-another-secret-123"))

    assert hand_over(alice, "openai", SECRETS["openai"]) == Outcome("deleted here")
    vault.change_key(user_id=alice.pk, key_id=key.pk, key_name="Renamed")
    assert hand_over(alice, "openai", "sk-another-secret-123") == Outcome("already there")
    assert stored(alice) == {"Renamed": "sk-another-secret-123"}


@pytest.mark.parametrize("way", ["stored again", "in another's place"])
def test_entering_it_again_by_hand_welcomes_it_back(way: str, alice: User) -> None:
    vault.delete_key(user_id=alice.pk, key_id=add_for(alice, "openai").pk)
    if way == "stored again":
        key = add_for(alice, "openai")
    else:
        key = add_for(alice, "openai", "sk-another-secret-123")
        vault.change_key(user_id=alice.pk, key_id=key.pk, secret=Secret(SECRETS["openai"]))
    assert stored(alice) == {"Default": SECRETS["openai"]}
    with tenant(alice.pk):
        assert not DeletedKey.objects.filter(fingerprint=key_of(alice, key).fingerprint).exists()
    assert hand_over(alice, "openai", SECRETS["openai"]) == Outcome("already there")

    vault.delete_key(user_id=alice.pk, key_id=key.pk)
    assert hand_over(alice, "openai", SECRETS["openai"]) == Outcome("deleted here")


def test_what_would_become_of_it_is_told_without_storing(alice: User) -> None:
    def foreseen(secret: str) -> str:
        with tenant(alice.pk):
            return vault.foresee_migrated_key(user_id=alice.pk, provider="openai", secret=Secret(secret)).kind

    vault.delete_key(user_id=alice.pk, key_id=add_for(alice, "openai", "sk-deleted-secret-123").pk)
    add_for(alice, "openai")

    secrets = (SECRETS["openai"], "sk-deleted-secret-123", "sk-another-secret-123", "short")
    assert [foreseen(secret) for secret in secrets] == ["already there", "deleted here", "stored", "refused"]
    assert list(stored(alice).values()) == [SECRETS["openai"]]


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_deleting_and_handing_over_at_once_never_bring_it_back(alice: User) -> None:
    for _ in range(5):
        key = add_for(alice, "openai")
        barrier = Barrier(4)

        def side(number: int, key: ApiKey = key, barrier: Barrier = barrier) -> None:
            barrier.wait()
            try:
                if number:
                    hand_over(alice, "openai", SECRETS["openai"])
                else:
                    vault.delete_key(user_id=alice.pk, key_id=key.pk)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(side, range(4)))
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
