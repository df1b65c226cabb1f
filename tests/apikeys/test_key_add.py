"""POST /api/profile/api-keys"""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AuditEvent, User
from apikeys.models import ApiKey
from tests.apikeys.conftest import KEYS_URL, SECRETS, at, call
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

SECRET = SECRETS["openai"]
NEW = {"provider": "openai", "apiKey": SECRET}


def test_it_works(as_alice: Client, alice: User) -> None:
    status, answer = call(
        as_alice,
        "post",
        KEYS_URL,
        {**NEW, "apiKey": f"  {SECRET}\n", "keyName": " Work ", "dailyLimit": 10, "monthlyLimit": 100, "unknown": 1},
    )

    assert status == 200
    key = answer["data"]
    assert key.pop("createdAt").endswith("Z")
    assert key.pop("updatedAt").endswith("Z")
    assert key.pop("id")
    assert answer == {"success": True, "data": key}
    assert key == {
        "provider": "openai",
        "keyName": "Work",
        "hint": SECRET[-4:],
        "baseUrl": None,
        "isActive": True,
        "dailyLimit": 10,
        "monthlyLimit": 100,
        "usedToday": 0,
        "usedThisMonth": 0,
        "lastUsed": None,
        "lastValidated": None,
        "isValid": None,
        "validationError": None,
    }
    with tenant(alice.pk):
        stored = ApiKey.objects.get()
        assert SECRET.encode() not in bytes(stored.envelope)
        assert [event.kind for event in AuditEvent.objects.order_by("-at")[:1]] == ["key.added"]


def test_signed_out_is_refused(anonymous: Client, db: None) -> None:
    assert call(anonymous, "post", KEYS_URL, NEW)[0] == 401


@pytest.mark.parametrize("provider", SECRETS)
def test_every_provider_takes_its_own_key(as_alice: Client, provider: str) -> None:
    status, answer = call(as_alice, "post", KEYS_URL, {"provider": provider, "apiKey": SECRETS[provider]})

    assert (status, answer["data"]["provider"], answer["data"]["keyName"]) == (200, provider, "Default")


@pytest.mark.parametrize(
    ("provider", "secret"),
    [
        ("openai", SECRETS["anthropic"]),
        ("openai", SECRETS["openrouter"]),
        ("openai", SECRETS["xai"]),
        ("openai", SECRETS["google"]),
        ("anthropic", SECRETS["openrouter"]),
        ("google", SECRETS["xai"]),
        ("openai", "short12"),
        ("openai", "   short12   "),
        ("openai", "a" * 513),
        ("openai", "with space"),
        ("openai", "with\ttab1"),
        ("openai", "ключ-ключ"),
        ("openai", "nul\u2028separator"),
        ("openai", "del\x7fdelete"),
        ("openai", ""),
    ],
)
def test_what_cannot_be_a_key_is_refused(as_alice: Client, provider: str, secret: str) -> None:
    status, answer = call(as_alice, "post", KEYS_URL, {"provider": provider, "apiKey": secret})

    assert (status, answer["code"]) == (400, "invalid_key_format")
    assert answer["details"][0]["path"] == ["apiKey"]
    assert not secret or secret not in answer["error"]
    assert call(as_alice, "get", KEYS_URL)[1]["data"] == []


@pytest.mark.parametrize("secret", ["12345678", "a" * 512, "sk-anything", "no-prefix-at-all", "!~!~!~!~"])
def test_any_other_shape_is_taken(as_alice: Client, secret: str) -> None:
    assert call(as_alice, "post", KEYS_URL, {**NEW, "apiKey": secret})[0] == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provider", "mistral"),
        ("provider", None),
        ("apiKey", None),
        ("apiKey", 12345678),
        ("apiKey", ["sk-12345678"]),
        ("dailyLimit", 0),
        ("dailyLimit", -1),
        ("dailyLimit", 1.5),
        ("dailyLimit", True),
        ("dailyLimit", "10"),
        ("dailyLimit", 2**31),
        ("monthlyLimit", 0),
        ("keyName", 7),
        ("keyName", "a" * 101),
        ("keyName", "two\nlines"),
        ("baseUrl", 7),
        ("baseUrl", "http://api.example.com/v1"),
        ("baseUrl", "ftp://api.example.com"),
        ("baseUrl", "https://"),
        ("baseUrl", "not a url"),
        ("baseUrl", "https://name:word@api.example.com"),
        ("baseUrl", "https://api.example.com/v1?key=1"),
        ("baseUrl", "https://api.example.com/#x"),
        ("baseUrl", "https://api.example.com:99999"),
        ("baseUrl", "https://127.0.0.1/v1"),
        ("baseUrl", "https://localhost/v1"),
        ("baseUrl", "https://10.0.0.1/v1"),
        ("baseUrl", "https://169.254.169.254/latest"),
        ("baseUrl", "https://[::1]/v1"),
        ("baseUrl", "https://[::ffff:10.0.0.1]/v1"),
        ("baseUrl", "https://[64:ff9b::7f00:1]/v1"),
        ("baseUrl", "https://[fd00::1]/v1"),
        ("baseUrl", "https://a.example/" + "a" * 500),
    ],
)
def test_bad_input_is_named_and_stores_nothing(as_alice: Client, field: str, value: Any) -> None:
    status, answer = call(as_alice, "post", KEYS_URL, {**NEW, field: value})

    assert (status, answer["success"]) == (400, False)
    assert [fault["path"] for fault in answer["details"]] == [[field]]
    assert call(as_alice, "get", KEYS_URL)[1]["data"] == []


def test_an_empty_string_or_null_clears_an_optional_field(as_alice: Client) -> None:
    body = {**NEW, "keyName": "", "baseUrl": "", "dailyLimit": "", "monthlyLimit": None}
    status, answer = call(as_alice, "post", KEYS_URL, body)

    key = answer["data"]
    assert status == 200
    assert (key["keyName"], key["baseUrl"], key["dailyLimit"], key["monthlyLimit"]) == ("Default", None, None, None)


def test_a_base_url_is_kept_without_its_slash(as_alice: Client) -> None:
    _, answer = call(as_alice, "post", KEYS_URL, {**NEW, "baseUrl": "https://llm.example.com/v1/"})

    assert answer["data"]["baseUrl"] == "https://llm.example.com/v1"


def test_a_short_secret_has_no_hint(as_alice: Client) -> None:
    _, answer = call(as_alice, "post", KEYS_URL, {**NEW, "apiKey": "a" * 19})

    assert answer["data"]["hint"] is None


def test_a_taken_name_is_refused(as_alice: Client) -> None:
    call(as_alice, "post", KEYS_URL, NEW)

    status, answer = call(as_alice, "post", KEYS_URL, {**NEW, "apiKey": SECRET + "2"})

    assert (status, answer["code"], answer["details"][0]["path"]) == (409, "key_exists", ["keyName"])
    assert len(call(as_alice, "get", KEYS_URL)[1]["data"]) == 1


def test_the_same_secret_is_not_stored_twice(as_alice: Client) -> None:
    call(as_alice, "post", KEYS_URL, NEW)

    status, answer = call(as_alice, "post", KEYS_URL, {**NEW, "keyName": "Other", "apiKey": f" {SECRET} "})

    assert (status, answer["code"], answer["details"][0]["path"]) == (409, "key_exists", ["apiKey"])


def test_two_people_may_store_the_same_secret(as_alice: Client, as_bob: Client, alice: User, bob: User) -> None:
    first = call(as_alice, "post", KEYS_URL, NEW)
    second = call(as_bob, "post", KEYS_URL, NEW)

    assert (first[0], second[0]) == (200, 200)
    with tenant(alice.pk):
        hers = bytes(ApiKey.objects.get().fingerprint)
    with tenant(bob.pk):
        his = bytes(ApiKey.objects.get().fingerprint)
    assert hers != his


def test_no_call_returns_the_secret(as_alice: Client) -> None:
    bodies = [as_alice.post(KEYS_URL, NEW, content_type="application/json")]
    key_id = bodies[0].json()["data"]["id"]
    bodies.append(as_alice.get(KEYS_URL))
    bodies.append(as_alice.put(at(key_id), {"keyName": "New"}, content_type="application/json"))
    bodies.append(as_alice.post(KEYS_URL, NEW, content_type="application/json"))

    assert [response.status_code for response in bodies] == [200, 200, 200, 409]
    assert not any(SECRET.encode() in response.content for response in bodies)
    assert "Secret" in repr(Secret(SECRET))


def test_statements_carry_only_the_envelope(as_alice: Client, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(22):
        call(as_alice, "post", KEYS_URL, NEW)

    assert SECRET not in repr(connection.queries)
