"""PUT /api/profile."""

import json
from typing import Any
from zoneinfo import available_timezones

import pytest
from django.test import Client

from accounts.models import Profile, User
from accounts.profile import PREFERENCES_BYTES, PreferencesTooLargeError, language_tag, merge_preferences
from tests.conftest import signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db


def put(client: Client, body: Any) -> Any:
    return client.put("/api/profile", body, content_type="application/json")


def stored(user: User) -> dict[str, Any]:
    with tenant(user.pk):
        return dict(Profile.objects.values().get())


def test_it_changes_what_is_given(as_alice: Client, alice: User) -> None:
    before = stored(alice)
    response = put(
        as_alice,
        {
            "displayName": "  Alice Ünïcödé 👩‍🚀 ", "bio": "x" * 500, "timezone": "America/Argentina/Ushuaia",
            "language": "zh-Hant-TW", "theme": "dark", "preferences": {"showCosts": True},
        },
    )  # fmt: skip
    assert response.status_code == 200
    profile = response.json()["data"]
    assert profile | {"createdAt": 0, "updatedAt": 0} == {
        "id": str(before["id"]), "userId": str(alice.pk), "displayName": "Alice Ünïcödé 👩‍🚀", "avatarUrl": None,
        "bio": "x" * 500, "timezone": "America/Argentina/Ushuaia", "language": "zh-Hant-TW", "theme": "dark",
        "preferences": {"showCosts": True}, "features": {}, "createdAt": 0, "updatedAt": 0,
    }  # fmt: skip
    assert put(as_alice, {"bio": "new"}).json()["data"]["displayName"] == "Alice Ünïcödé 👩‍🚀"


@pytest.mark.parametrize("empty", ["", None])
def test_empty_clears(as_alice: Client, alice: User, empty: str | None) -> None:
    put(
        as_alice,
        {"displayName": "A", "bio": "B", "timezone": "UTC", "language": "de", "theme": "dark", "preferences": {"a": 1}},
    )
    fields = ("displayName", "bio", "timezone", "language", "theme", "preferences")
    profile = put(as_alice, dict.fromkeys(fields, empty)).json()["data"]
    assert {field: profile[field] for field in fields} == {
        "displayName": None, "bio": None, "timezone": None, "language": None, "theme": "auto", "preferences": {},
    }  # fmt: skip


def test_every_time_zone_of_the_list_is_taken(as_alice: Client) -> None:
    for name in sorted(available_timezones())[::25]:
        assert put(as_alice, {"timezone": name}).status_code == 200, name


def test_preferences_are_merged_key_by_key(as_alice: Client) -> None:
    put(as_alice, {"preferences": {"a": {"x": 1}, "b": [1], "c": None}})
    assert put(as_alice, {"preferences": {"a": {"y": 2}, "d": "é"}}).json()["data"]["preferences"] == {
        "a": {"y": 2}, "b": [1], "c": None, "d": "é",
    }  # fmt: skip


def test_unknown_fields_and_those_of_others_are_ignored(as_alice: Client, alice: User) -> None:
    body = {"shoeSize": 43, "features": {"admin": True}, "userId": "0", "avatarUrl": "http://x/", "tier": "pro"}
    assert put(as_alice, body).json()["data"]["features"] == {}
    alice.refresh_from_db()
    assert alice.tier == "free"


def test_the_moment_of_the_change_is_kept(as_alice: Client, alice: User) -> None:
    with tenant(alice.pk):
        Profile.objects.update(updated_at="2026-01-01T00:00:00Z")
    assert put(as_alice, {"bio": "x"}).json()["data"]["updatedAt"] > "2026-01-02"


def test_nobody_elses_changes(as_alice: Client, bob: User) -> None:
    before = stored(bob)
    assert put(as_alice, {"id": str(before["id"]), "userId": str(bob.pk), "bio": "mine"}).status_code == 200
    assert stored(bob) == before


def test_signed_out_is_401(anonymous: Client) -> None:
    assert put(anonymous, {"bio": "x"}).status_code == 401


@pytest.mark.parametrize("method", ["post", "patch"])
def test_other_methods_are_405(as_alice: Client, method: str) -> None:
    response = getattr(as_alice, method)("/api/profile", {}, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("displayName", "x" * 81),
        ("displayName", 1),
        ("displayName", ["a"]),
        ("displayName", {"a": 1}),
        ("displayName", True),
        ("bio", "x" * 501),
        ("bio", 1.5),
        ("timezone", "Mars/Olympus"),
        ("timezone", "europe/berlin"),
        ("timezone", "../etc/passwd"),
        ("timezone", "+02:00"),
        ("timezone", 1),
        ("language", "english please"),
        ("language", "e"),
        ("language", "de_DE"),
        ("language", "x" * 40),
        ("language", []),
        ("theme", "solarized"),
        ("theme", 1),
        ("preferences", []),
        ("preferences", "x"),
        ("preferences", 1),
        ("preferences", {"a": "x" * PREFERENCES_BYTES}),
    ],
)
def test_a_bad_field_is_named_and_nothing_changes(as_alice: Client, alice: User, field: str, value: Any) -> None:
    before = stored(alice)
    response = put(as_alice, {"bio": "good", "theme": "dark", field: value})
    assert response.status_code == 400
    answer = response.json()
    assert answer["code"] == "invalid_request"
    assert [fault["path"] for fault in answer["details"]] == [[field]]
    assert answer["error"].startswith(f"{field}: ")
    assert stored(alice) == before


def test_every_bad_field_is_named(as_alice: Client) -> None:
    answer = put(as_alice, {"bio": 1, "theme": "x", "timezone": "x/y"}).json()
    assert {fault["path"][0] for fault in answer["details"]} == {"bio", "theme", "timezone"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"bio": NaN}',
        b'{"preferences": {"a": Infinity}}',
        b'{"bio": "\\u0000"}',
        b'{"preferences": {"\\u0000": 1}}',
        b'{"bio": "\\ud800"}',
        b'{"preferences": {"a": "\\udfff"}}',
        b"\xff\xfe{}",
        b'{"preferences": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
        b'{"preferences": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_body_of_this_call_is_400(as_alice: Client, alice: User, body: bytes) -> None:
    before = stored(alice)
    response = put(as_alice, body)
    assert response.status_code == 400
    answer = response.json()
    assert (answer["success"], bool(answer["error"]), bool(answer["code"])) == (False, True, True)
    assert stored(alice) == before


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "9" * 5000, "1." + "9" * 5000, "9" * 20, "-0.0", "1e-400", "1E+308"]
)
def test_numbers_of_any_size_are_400_or_come_back(as_alice: Client, number: str) -> None:
    response = put(as_alice, f'{{"preferences": {{"a": {number}}}}}'.encode())
    assert response.status_code in (200, 400)
    assert as_alice.get("/api/profile").status_code == 200
    json.loads(response.content, parse_constant=pytest.fail)


def test_preferences_stay_below_their_limit_together(as_alice: Client, alice: User) -> None:
    assert put(as_alice, {"preferences": {"a": "x" * 9000}}).status_code == 200
    assert put(as_alice, {"preferences": {"b": "x" * 9000}}).status_code == 400
    assert stored(alice)["preferences"].keys() == {"a"}
    assert put(as_alice, {"preferences": {"a": "", "b": "é" * 8000}}).status_code == 200
    with pytest.raises(PreferencesTooLargeError):
        merge_preferences(user_id=alice.pk, preferences={"c": "x" * 9000})


@pytest.mark.parametrize(
    "tag",
    [
        "de",
        "pt-BR",
        "zh-Hant-TW",
        "es-419",
        "sl-rozaj-biske-1994",
        "de-CH-1901",
        "en-a-myext-b-another",
        "x-whatever",
        "EN-us",
        "zh-cmn-Hans-CN",
        "de-u-co-phonebk",
        "en-US-x-twain",
    ],
)
def test_language_tags_of_rfc_5646(tag: str) -> None:
    assert language_tag(tag) == tag


@pytest.mark.parametrize("tag", ["d", "de-", "-de", "de--CH", "de CH", "de_CH", "x", "en-a", "de\n", "123", "ÄÖ"])
def test_what_is_no_language_tag(tag: str) -> None:
    with pytest.raises(ValueError, match="not a language tag"):
        language_tag(tag)


def test_two_at_once_lose_nothing(as_alice: Client, alice: User) -> None:
    again = signed_in(alice)
    put(as_alice, {"preferences": {"a": 1}})
    put(again, {"preferences": {"b": 2}})
    assert stored(alice)["preferences"] == {"a": 1, "b": 2}
