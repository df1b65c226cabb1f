"""Whatever an API operation refuses or breaks off leaves nothing behind.

The hand-over is apart: it commits chunk by chunk, and tests/chats says what a broken one leaves. Validation
asks a provider between two transactions; tests/apikeys says what that leaves.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connections
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from PIL import Image

from accounts.models import Session, User
from apikeys.vault import store_key
from chats.models import Chat
from tests.conftest import just_signed_in, signed_in
from tests.rows import unsaved
from usage import metering
from usage.models import Period, QuotaLimit
from wavelength.api import api
from wavelength.envelope import Secret
from wavelength.tenancy import tenant
from wavelength.tenancy.models import TenantModel

pytestmark = pytest.mark.django_db

JSON = "application/json"
APART = {"/api/migration", "/api/migration/sync", "/api/profile/api-keys/{uuid:key_id}/validation"}
WRONG: list[Any] = [None, True, -1, 1.5, 10**12, "", "x" * 3000, [], ["x"], {}, {"x": "x" * 20_000}]


@dataclass
class Owned:
    """What the person of a test has."""

    user: User
    key: str = ""
    chat: str = ""
    reservation: str = ""
    rows: Callable[[], dict[str, Any]] = field(default=dict)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Any) -> Any:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def owned(alice: User) -> Owned:
    return _owned(alice)


def _owned(user: User) -> Owned:
    key = store_key(user_id=user.pk, provider="openai", secret=Secret(f"sk-{user.pk.hex}"))
    with tenant(user.pk):
        chat = unsaved(Chat, user)
        chat.save(force_insert=True)
        QuotaLimit.objects.filter(period=Period.MONTHLY).delete()  # for POST /api/usage/init to make again
    reservation = metering.reserve(user_id=user.pk, provider="openai", model="gpt-4o", tokens=1)
    return Owned(user, str(key.pk), chat.shown_id, str(reservation.id), lambda: _rows(user))


def _rows(user: User) -> dict[str, Any]:
    """Every row that belongs to the person."""
    with tenant(user.pk):
        found: dict[str, Any] = {
            model._meta.label: list(model._default_manager.order_by("pk").values())
            for model in apps.get_models()
            if issubclass(model, TenantModel)
        }
    found["user"] = list(User.objects.filter(pk=user.pk).values())
    found["sessions"] = list(Session.objects.filter(user=user).values())
    return found


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Each operation that may change something, with its body's fields."""
    schema = api.get_openapi_schema(path_prefix="/api")
    found = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            path_of_it = path.replace("//", "/")
            if method == "get" or path_of_it.replace("{key_id}", "{uuid:key_id}") in APART:
                continue
            body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
            name = body.get("$ref", "").rpartition("/")[2]
            found.append((method, path_of_it, schema["components"]["schemas"][name]["properties"] if name else {}))
    return found


OPERATIONS = operations()


def _address(path: str, owned: Owned) -> str:
    ids = {"key_id": owned.key, "chat_id": owned.chat, "reservation_id": owned.reservation}
    return _plain(path).format_map(ids)


def _plain(path: str) -> str:
    return re.sub(r"{\w+:", "{", path)


def test_there_are_operations() -> None:
    assert {(method, path.partition("{")[0]) for method, path, _ in OPERATIONS} >= {
        ("put", "/api/profile"), ("delete", "/api/profile"), ("put", "/api/profile/avatar"),
        ("post", "/api/profile/api-keys"), ("put", "/api/profile/api-keys/"), ("put", "/api/chats/"),
        ("delete", "/api/chats/"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "fields"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_refused_call_changes_nothing(
    owned: Owned, bob: User, method: str, path: str, fields: dict[str, Any]
) -> None:
    bobs = _owned(bob)
    bobs_before = bobs.rows()
    client = signed_in(owned.user)
    before = owned.rows()
    mine = _address(path, owned)
    good = {
        "provider": "openai", "apiKey": "sk-0123456789-0123456789", "title": "New",
        "model": "gpt-4o", "estimatedTokens": 1,
    }  # fmt: skip
    calls: list[tuple[Client, str, bytes | dict[str, Any], str, dict[str, str]]] = [
        (Client(), mine, good, JSON, {}),
        (client, mine, good, JSON, {"Sec-Fetch-Site": "cross-site"}),
        (client, mine, good, JSON, {"Origin": "https://evil.example.com"}),
        (client, mine, b"x" * 10, "text/plain", {}),
    ]
    if mine != path:
        calls.append((client, _address(path, bobs), good, JSON, {}))
    if fields:
        calls += [(client, mine, body, JSON, {}) for body in (b"{", b"[]", b'{"a": NaN}')]
        calls += [(client, mine, good | {name: value}, JSON, {}) for name in fields for value in WRONG]
    refused = 0
    for caller, address, body, kind, headers in calls:
        response = getattr(caller, method)(address, body, content_type=kind, headers=headers)
        if response.status_code < 400:
            # Not wrong after all: what it changed is what the next one finds.
            before = owned.rows()
            continue
        assert response.status_code < 500, (address, body)
        refused += 1
        assert owned.rows() == before, (address, body, response.content)
    assert refused >= 3
    assert bobs.rows() == bobs_before


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    file.seek(0)
    file.name = "me.png"
    return encode_multipart(BOUNDARY, {"avatar": file})


CHANGES: list[tuple[str, str, Any, str]] = [
    ("put", "/api/profile", {"bio": "new", "preferences": {"a": 1}}, JSON),
    ("put", "/api/profile/avatar", _picture(), MULTIPART_CONTENT),
    ("delete", "/api/profile/avatar", b"", ""),
    ("delete", "/api/profile", b"", ""),
    ("post", "/api/profile/api-keys", {"provider": "anthropic", "apiKey": "sk-ant-0123456789-0123456789"}, JSON),
    ("put", "/api/profile/api-keys/{key_id}", {"keyName": "n", "apiKey": "sk-0123456789-9876543210"}, JSON),
    ("delete", "/api/profile/api-keys/{key_id}", b"", ""),
    ("put", "/api/chats/{chat_id}", {"title": "New"}, JSON),
    ("delete", "/api/chats/{chat_id}", b"", ""),
    ("post", "/api/usage/init", {}, JSON),
    ("put", "/api/usage/sync", b"", ""),
]


@dataclass
class Breaking:
    """Fails the n-th statement of those that the operation itself sends."""

    at: int
    seen: int = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.seen += 1
        if self.seen == self.at:
            raise DatabaseError("canary: the database broke off")
        return execute(sql, params, many, context)


def _until_it_works(client: Client, owned: Owned, call: tuple[str, str, Any, str]) -> Iterator[int]:
    method, path, body, kind = call
    before = owned.rows()
    for at in range(1, 40):
        breaking = Breaking(at)
        with connections["default"].execute_wrapper(breaking):
            response = client.generic(
                method.upper(),
                _address(path, owned),
                body if isinstance(body, bytes) else json.dumps(body),
                content_type=kind,
            )
        if breaking.seen < at:
            assert response.status_code == 200
            return
        assert response.status_code == 500, (at, response.content)
        assert b"canary" not in response.content
        assert owned.rows() == before, at
        yield at


@pytest.mark.parametrize("call", CHANGES, ids=lambda call: f"{call[0]} {call[1]}")
def test_an_operation_that_breaks_off_changes_nothing(
    owned: Owned, media: Any, call: tuple[str, str, Any, str]
) -> None:
    client = just_signed_in(owned.user)
    client.raise_request_exception = False
    # Whose session it is, the limits know from here on.
    client.get("/api/profile")
    broken = list(_until_it_works(client, owned, call))
    # Each statement after the one that tells who is asking.
    assert len(broken) >= 2


# One call of one function: PostgreSQL undoes it whole.
ONE_CALL = {
    ("post", "/api/profile/usage"),
    ("post", "/api/usage/reservations"),
    ("put", "/api/usage/reservations/{reservation_id}"),
    ("delete", "/api/usage/reservations/{reservation_id}"),
    ("post", "/api/usage/check"),  # takes nothing
    ("post", "/api/usage/anonymous"),
    ("post", "/api/usage/sync"),
}


def test_every_operation_that_changes_something_was_broken_off() -> None:
    tried = {(method, path) for method, path, _, _ in CHANGES} | ONE_CALL
    assert {(method, _plain(path)) for method, path, _ in OPERATIONS} == tried
