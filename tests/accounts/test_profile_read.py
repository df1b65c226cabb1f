"""GET /api/profile."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Profile, User
from apikeys.models import ApiKey
from chats.models import Chat
from tests.conftest import make_person, signed_in
from wavelength.tenancy import tenant

COMMITTED = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def read(client: Client, **headers: str) -> Any:
    response = client.get("/api/profile", headers=headers)
    assert response.status_code == 200
    return response.json()["data"]


def chat(user: User, number: int, *, messages: int, deleted: bool = False) -> Chat:
    now = datetime.now(UTC)
    return Chat(
        user=user, client_id=f"c{number}", client_created_at=now, shown_id=f"c{number}", updated_at=now,
        message_count=messages, deleted_at=now if deleted else None,
    )  # fmt: skip


def key(user: User, number: int, **fields: Any) -> ApiKey:
    return ApiKey(
        user=user, provider="openai", key_name=f"k{number}", envelope=b"", fingerprint=bytes([number]), **fields
    )


def test_it_answers_the_person_the_profile_keys_and_figures(as_alice: Client, alice: User) -> None:
    moment = datetime(2026, 3, 29, 1, 2, 3, 456789, tzinfo=UTC)
    with tenant(alice.pk):
        key(alice, 1, last_used=moment, is_valid=False, validation_error="No.").save()
        Chat.objects.bulk_create(
            [chat(alice, 1, messages=3), chat(alice, 2, messages=4), chat(alice, 3, messages=9, deleted=True)]
        )
        Profile.objects.update(
            created_at=moment, updated_at=moment, preferences={"ü": [1, None]}, features={"beta": True}
        )
        profile = Profile.objects.get()
        stored = ApiKey.objects.get()
    User.objects.filter(pk=alice.pk).update(created_at=moment, last_login=None)
    assert read(as_alice) == {
        "user": {
            "id": str(alice.pk), "name": "Alice", "email": "alice@example.com", "image": None, "tier": "free",
            "createdAt": "2026-03-29T01:02:03.456Z", "lastLoginAt": None,
        },
        "profile": {
            "id": str(profile.pk), "userId": str(alice.pk), "displayName": "Alice", "avatarUrl": None, "bio": None,
            "timezone": None, "language": None, "theme": "auto", "preferences": {"ü": [1, None]},
            "features": {"beta": True}, "createdAt": "2026-03-29T01:02:03.456Z",
            "updatedAt": "2026-03-29T01:02:03.456Z",
        },
        "apiKeys": [
            {
                "id": str(stored.pk), "provider": "openai", "keyName": "k1", "isActive": True,
                "lastUsed": "2026-03-29T01:02:03.456Z", "isValid": False, "validationError": "No.",
            }
        ],
        "stats": {"totalChats": 2, "totalMessages": 7},
    }  # fmt: skip


def test_keys_come_newest_first(as_alice: Client, alice: User) -> None:
    with tenant(alice.pk):
        for number in range(3):
            moment = datetime(2026, 1, 1 + number, tzinfo=UTC)
            key(alice, number, created_at=moment).save()
    assert [shown["keyName"] for shown in read(as_alice)["apiKeys"]] == ["k2", "k1", "k0"]


def test_the_call_after_a_change_shows_the_same_as_the_change(as_alice: Client) -> None:
    changed = as_alice.put("/api/profile", {"bio": "Hi", "timezone": "Asia/Tokyo"}, content_type="application/json")
    assert read(as_alice)["profile"] == changed.json()["data"]


def test_pictures_have_addresses_on_the_public_origin(as_alice: Client, alice: User) -> None:
    with tenant(alice.pk):
        Profile.objects.update(avatar="avatars/0193.webp")
    data = read(as_alice)
    assert data["user"]["image"] == data["profile"]["avatarUrl"] == "http://testserver/media/avatars/0193.webp"
    for_client = read(as_alice, x_forwarded_host="chat.example.com", x_forwarded_proto="https")
    assert for_client["user"]["image"] == "https://chat.example.com/media/avatars/0193.webp"
    stranger = read(as_alice, x_forwarded_host="evil.example.com' || (SELECT 1)")
    assert stranger["user"]["image"] == "http://testserver/media/avatars/0193.webp"


def test_nobody_elses_is_counted(as_alice: Client, alice: User, bob: User) -> None:
    with tenant(bob.pk):
        key(bob, 1).save()
        chat(bob, 1, messages=5).save()
    data = read(as_alice)
    assert (data["apiKeys"], data["stats"]) == ([], {"totalChats": 0, "totalMessages": 0})


def test_signed_out_is_401(anonymous: Client) -> None:
    assert anonymous.get("/api/profile").json() == {
        "success": False, "error": "Sign in first.", "code": "not_signed_in",
    }  # fmt: skip


@COMMITTED
def test_outside_a_transaction_it_is_one_statement_that_leaves_nobody_behind(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    alice, bob = make_person("alice@example.com", "Alice"), make_person("bob@example.com", "Bob")
    with tenant(alice.pk):
        chat(alice, 1, messages=2).save()
    for person, total in ((alice, 1), (bob, 0)):
        client = signed_in(person)
        read(client)  # once in each process, whose session it is: for the limit of the person's calls
        with django_assert_num_queries(1):
            data = read(client)
        assert (data["profile"]["displayName"], data["stats"]["totalChats"]) == (person.name, total)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_setting('app.user_id', true)")
        assert not cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM accounts_profile")
        assert cursor.fetchone() == (0,)
