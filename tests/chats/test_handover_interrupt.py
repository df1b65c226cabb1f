"""A hand-over that is not alone. One that is killed: drill/handover_killed.py."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Profile, User
from apikeys import vault
from apikeys.models import ApiKey
from chats.models import Chat, Message
from tests import samples
from tests.conftest import signed_in
from tests.processes import serve
from tests.samples import RICH
from usage.models import UsageRecord
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def test_four_at_once_leave_one_copy(alice: User, bob: User) -> None:
    body = json.dumps(samples.payload("rich")).encode()
    with serve(threads=8) as server:
        post(server.url, headers_of(bob), body)
        headers = headers_of(alice)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: post(server.url, headers, body), range(4)))

    assert {answer["success"] for answer in answers} == {True}
    for figure, expected in (
        ("migratedChats", RICH.chats),
        ("migratedMessages", RICH.messages),
        ("migratedApiKeys", RICH.keys),
    ):
        assert sum(answer["data"][figure] for answer in answers) == expected
    assert rows_of(alice) == rows_of(bob)


def test_two_sides_at_once_lose_nothing(alice: User) -> None:
    """Two browsers with different messages of the same chats: all messages are there, places are distinct."""
    state = samples.payload("rich")
    halves = [
        {**state, "chats": [{**chat, "messages": chat["messages"][part::2]} for chat in state["chats"]]}
        for part in (0, 1)
    ]
    headers = headers_of(alice)
    with serve(threads=8) as server, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda half: post(server.url, headers, json.dumps(half).encode()), halves * 2))

    with tenant(alice.pk):
        places = list(Message.objects.values_list("chat", "position"))
    assert len(places) == len(set(places)) == RICH.messages


def delete_a_key(person: User) -> None:
    """Of those in the sample: it must not come back."""
    provider, entry = next(iter(samples.payload("rich")["config"]["providers"].items()))
    key = vault.store_key(user_id=person.pk, provider=provider, secret=Secret(entry["apiKey"]))
    vault.delete_key(user_id=person.pk, key_id=key.pk)


def post(url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/migration", body, headers), timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def headers_of(person: User) -> dict[str, str]:
    name = settings.SESSION_COOKIE_NAME
    return {"Content-Type": "application/json", "Cookie": f"{name}={signed_in(person).cookies[name].value}"}


def rows_of(person: User) -> dict[str, Any]:
    """All that a hand-over leaves, but for what names the person or the moment."""
    with tenant(person.pk):
        chats = Chat.objects.order_by("client_id", "client_created_at")
        messages = Message.objects.order_by("chat__client_id", "chat__client_created_at", "position")
        return {
            "chats": list(chats.values(*columns(Chat, but={"id", "user", "stored_at", "indexed"}))),
            "messages": list(messages.values("chat__client_id", *columns(Message, but={"id", "user", "chat"}))),
            "keys": sorted(ApiKey.objects.values_list("provider", "hint", "base_url", "is_active")),
            "preferences": Profile.objects.get().preferences,
            "history": list(
                UsageRecord.objects.order_by("hour", "provider", "model").values(
                    *columns(UsageRecord, but={"id", "user", "created_at", "updated_at"})
                )
            ),
        }


def columns(model: type[Any], *, but: set[str]) -> list[str]:
    return [field.name for field in model._meta.fields if field.name not in but]
