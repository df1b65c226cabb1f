"""What becomes of a payload's `config`: keys and preferences."""

from typing import Any

from django.test import Client

from accounts.models import AnonymousSession, Profile, User
from apikeys.models import ApiKey
from apikeys.vault import open_key
from chats.models import Handover
from tests import samples
from tests.chats.payloads import figures, hand_over, payload, synchronise
from wavelength.tenancy import tenant

KEY = "sk-or-v1-" + "0f" * 32
OTHER_KEY = "sk-or-v1-" + "1e" * 32
SETTINGS = [
    "defaultModel",
    "defaultProvider",
    "showReasoning",
    "showTokens",
    "showCosts",
    "autoScroll",
    "reasoningEffort",
]


def test_it_works(as_alice: Client, alice: User) -> None:
    sent = samples.payload("rich")

    hand_over(as_alice, sent)

    providers = sent["config"]["providers"]
    stored = keys_of(alice)
    assert stored == {(name, entry["apiKey"]) for name, entry in providers.items()} | {
        ("openrouter", sent["config"]["apiKey"])
    }
    assert preferences_of(alice) == {
        **{name: sent["config"][name] for name in SETTINGS},
        "providers": {
            name: {"enabled": entry["enabled"], "priority": entry["priority"]} for name, entry in providers.items()
        },
    }
    with tenant(alice.pk):
        assert ApiKey.objects.get(provider="google").is_active is False
        assert ApiKey.objects.get(provider="anthropic").base_url == "https://api.anthropic.com"


def test_another_person_gets_nothing(as_alice: Client, bob: User) -> None:
    hand_over(as_alice, samples.payload("rich"))

    assert keys_of(bob) == set()
    assert preferences_of(bob) == {}


def test_repeat_stores_no_key_twice(as_alice: Client, alice: User) -> None:
    first = hand_over(as_alice, payload(config={"apiKey": KEY, "providers": {"openrouter": {"apiKey": f" {KEY}\n"}}}))

    again = hand_over(as_alice, payload(config={"apiKey": KEY}))

    assert figures(first) == (0, 0, 1, 0)
    assert figures(again) == (0, 0, 0, 0)
    assert keys_of(alice) == {("openrouter", KEY)}


def test_other_secret_for_a_taken_name_gets_a_new_name(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(config={"apiKey": KEY}))

    response = synchronise(as_alice, config={"apiKey": OTHER_KEY})

    assert figures(response) == (0, 0, 1, 0)
    with tenant(alice.pk):
        names = list(ApiKey.objects.values_list("key_name", flat=True))
    assert len(names) == len(set(names)) == 2


def test_a_key_that_was_deleted_here_does_not_come_back(as_alice: Client, alice: User) -> None:
    sent = payload(config={"apiKey": KEY, "providers": {"xai": {"apiKey": "xai-" + "2d" * 20}}})
    hand_over(as_alice, sent)
    with tenant(alice.pk):
        key = ApiKey.objects.get(provider="openrouter")
    as_alice.delete(f"/api/profile/api-keys/{key.pk}")

    for answer in (hand_over(as_alice, sent), synchronise(as_alice, config=sent["config"])):
        assert (answer.status_code, answer.json()["success"], figures(answer)) == (200, True, (0, 0, 0, 0))
        assert (answer.json()["data"]["errors"], answer.json()["data"]["warnings"]) == ([], [])
    assert keys_of(alice) == {("xai", "xai-" + "2d" * 20)}
    assert as_alice.get("/api/migration/status").json()["data"]["stats"]["totalApiKeys"] == 1


def test_refused_keys_are_named_by_provider_only(as_alice: Client, alice: User) -> None:
    bad = "SAMPLE with spaces"
    response = hand_over(
        as_alice,
        payload(
            config={
                "apiKey": 5,
                "baseUrl": "https://openrouter.ai/api/v1",
                "providers": {
                    "openai": {"apiKey": bad},
                    "unheard-of": {"apiKey": "SAMPLE-0123456789"},
                    "xai": {"apiKey": "xai-" + "2d" * 20},
                    "google": {"apiKey": ""},
                    "anthropic": None,
                },
            }
        ),
    )

    assert response.status_code == 206
    assert [fault["path"] for fault in response.json()["details"]] == [
        ["config", "providers", "openai", "apiKey"],
        ["config", "providers", "unheard-of", "apiKey"],
        ["config", "apiKey"],
    ]
    assert "SAMPLE" not in response.content.decode()
    assert keys_of(alice) == {("xai", "xai-" + "2d" * 20)}


def test_keys_stand_nowhere_else(as_alice: Client, alice: User) -> None:
    canary = "sk-or-v1-" + "c4" * 32
    hand_over(
        as_alice,
        payload(
            config={
                "apiKey": canary,
                "openaiKey": canary,
                "authToken": canary,
                "nested": {"apiKey": canary},
                "theme": "x",
            },
            anonymousId="anon-canary",
        ),
    )

    with tenant(alice.pk):
        rows = [*Handover.objects.values(), *Profile.objects.values(), *AnonymousSession.objects.values()]
    assert canary not in repr(rows)
    assert preferences_of(alice) == {"theme": "x"}


def test_settings_that_cannot_be_kept_are_warned_about(as_alice: Client, alice: User) -> None:
    body = '{"chats": [], "config": {"zoom": NaN, "size": 1e999, "list": [1], "kept": 1.5, "nothing": null}}'

    response = hand_over(as_alice, body)

    assert response.status_code == 200
    assert response.json()["data"]["warnings"] == [
        "The setting zoom was not taken.",
        "The setting size was not taken.",
        "The setting list was not taken.",
    ]
    assert preferences_of(alice) == {"kept": 1.5}


def test_preferences_are_merged_key_by_key(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(config={"a": 1, "b": 1, "providers": {"openai": {"enabled": True, "priority": 1}}}))

    synchronise(as_alice, config={"b": 2, "providers": {"xai": {"enabled": False, "priority": 2}}})

    assert preferences_of(alice) == {
        "a": 1,
        "b": 2,
        "providers": {"openai": {"enabled": True, "priority": 1}, "xai": {"enabled": False, "priority": 2}},
    }


def test_repeat_leaves_what_was_changed_here(as_alice: Client, alice: User) -> None:
    sent = payload(config={"showCosts": True, "defaultModel": "openai/gpt-4o"})
    hand_over(as_alice, sent)
    change_preferences(alice, showCosts=False)

    hand_over(as_alice, sent)
    synchronise(as_alice, config=sent["config"])

    assert preferences_of(alice)["showCosts"] is False


def test_repeat_after_another_payload_changes_nothing(as_alice: Client, alice: User) -> None:
    first = payload(config={"showCosts": True})
    hand_over(as_alice, first)
    synchronise(as_alice, config={"showCosts": False})

    hand_over(as_alice, first)

    assert preferences_of(alice) == {"showCosts": False}


def test_too_many_preferences(as_alice: Client, alice: User) -> None:
    response = hand_over(as_alice, payload(config={f"setting{number}": "x" * 500 for number in range(50)}))

    assert response.status_code == 200
    assert "16 KiB" in response.json()["data"]["warnings"][0]
    assert preferences_of(alice) == {}


def test_anonymous_id_is_claimed_by_the_first(as_alice: Client, as_bob: Client, alice: User) -> None:
    hand_over(as_alice, payload(anonymousId="anon-shared"))

    response = hand_over(
        as_bob, payload({"id": "c1", "createdAt": "2025-01-01T00:00:00Z", "messages": []}, anonymousId="anon-shared")
    )

    assert figures(response) == (1, 0, 0, 0)
    assert AnonymousSession.objects.get(anonymous_id="anon-shared").claimed_by == alice
    assert anonymous_ids(as_alice) == ["anon-shared"]
    assert anonymous_ids(as_bob) == []


def test_empty_anonymous_id_becomes_a_new_one(as_alice: Client, as_bob: Client) -> None:
    for client in (as_alice, as_bob, as_alice):
        hand_over(client, payload(anonymousId=""))

    alices, bobs = anonymous_ids(as_alice), anonymous_ids(as_bob)
    assert len(alices) == len(bobs) == 1
    assert alices != bobs


def test_anonymous_id_may_be_any_text(as_alice: Client) -> None:
    hand_over(as_alice, payload(anonymousId="\N{GRINNING FACE} '; --" + "x" * 190))

    assert anonymous_ids(as_alice) == ["\N{GRINNING FACE} '; --" + "x" * 190]


def keys_of(person: User) -> set[tuple[str, str]]:
    with tenant(person.pk):
        return {(key.provider, open_key(key).secret.reveal()) for key in ApiKey.objects.all()}


def preferences_of(person: User) -> dict[str, Any]:
    with tenant(person.pk):
        return dict(Profile.objects.get().preferences)


def change_preferences(person: User, **changes: Any) -> None:
    with tenant(person.pk):
        profile = Profile.objects.get()
        profile.preferences |= changes
        profile.save()


def anonymous_ids(client: Client) -> list[str]:
    return list(client.get("/api/migration/status").json()["data"]["anonymousIds"])
