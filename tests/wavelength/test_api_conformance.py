"""Schemathesis over the OpenAPI document: whatever is asked by whomever is answered as the document says.

Each call is made by the owner of what it names, also with a token, by somebody else and by nobody, and undone after.
The suite takes the same few examples every time; HYPOTHESIS_PROFILE=thorough takes hundreds of new ones.
CONFORMANCE_SEED repeats a run.
"""

import json
import os
import random
from dataclasses import dataclass
from typing import Any, Final

import pytest
import schemathesis
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as running
from pytest_django import Settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks as conforming

from accounts.models import User
from accounts.profile import change_profile
from accounts.tokens import make_token
from apikeys import vault
from chats.models import Chat, Message
from tests.conftest import signed_in
from tests.rows import unsaved
from usage import metering
from wavelength.api import api
from wavelength.contract import Body, Shape
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db

THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SEED: Final = int(os.environ.get("CONFORMANCE_SEED", "") or (random.randrange(2**32) if THOROUGH else 1))
EXAMPLES: Final = 300 if THOROUGH else 6
# In all that Alice has; nobody else may ever be told it.
CANARY: Final = "canary-of-alice"
CHECKS: Final = [
    schemathesis.checks.not_a_server_error,
    conforming.status_code_conformance,
    conforming.content_type_conformance,
    conforming.response_headers_conformance,
    conforming.response_schema_conformance,
]

schema = schemathesis.openapi.from_dict(json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api"))))
schema.app = get_wsgi_application()
# Who asks is each test's to say.
schema.config.generation.with_security_parameters = False
OPERATIONS: Final = {found.ok().label: found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)}


Shown = dict[str, Any]


@dataclass(frozen=True)
class Cast:
    """What each who asks shows, and Alice's ids by the parameter that takes them."""

    shown: dict[str, Shown]
    ids: dict[str, str]


@pytest.fixture
def people(alice: User, bob: User, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cast:
    # The test's transaction outlives the requests: nobody closes its connection at their ends.
    for signal in (request_started, request_finished):
        monkeypatch.setattr(signal, "receivers", [])
    # Nobody listens there.
    settings.PROVIDER_BASE_URLS = dict.fromkeys(settings.PROVIDER_BASE_URLS, "http://127.0.0.1:9")
    settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES = True
    change_profile(user_id=alice.pk, display_name=CANARY, bio=CANARY, preferences={CANARY: CANARY})
    key = vault.store_key(user_id=alice.pk, provider="openai", secret=Secret("sk-proj-1234567890"), key_name=CANARY)
    with tenant(alice.pk):
        chat = unsaved(Chat, alice)
        chat.title = CANARY
        chat.save(force_insert=True)
        message = unsaved(Message, alice)
        message.chat, message.content = chat, CANARY
        message.save(force_insert=True)
    metering.record_usage(user_id=alice.pk, provider="openai", model=CANARY, input_tokens=1)
    reservation = metering.reserve(user_id=alice.pk, provider="openai", model=CANARY, tokens=1)
    return Cast(
        {"alice": _cookie(alice), "script": _token(alice), "bob": _cookie(bob), "nobody": {}},
        {"key_id": str(key.pk), "chat_id": chat.shown_id, "reservation_id": str(reservation.id)},
    )


def _cookie(person: User) -> Shown:
    name = settings.SESSION_COOKIE_NAME
    return {"cookies": {name: signed_in(person).cookies[name].value}}


def _token(person: User) -> Shown:
    token = make_token(user_id=person.pk, name="script", days=30, read_only=False)
    return {"headers": {"Authorization": f"Bearer {token}"}}


def ask(case: Case[Any], shown: Shown) -> Response:
    """Ask, compare the answer with the document, and undo what was done."""
    with transaction.atomic():
        try:
            return case.call_and_validate(**shown, checks=CHECKS)
        finally:
            transaction.set_rollback(True)


def told_of_alice(answer: Response) -> bool:
    return CANARY.encode() in answer.content or CANARY in repr(answer.headers)


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_the_document_says_and_of_nobody_else(label: str, people: Cast) -> None:
    operation = OPERATIONS[label]
    print(f"CONFORMANCE_SEED={SEED}")  # noqa: T201  (shown when it fails)

    @seed(SEED)
    @running(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE))
    def probe(case: Case[Any]) -> None:
        for shown in people.shown.values():
            ask(case, shown)
        named = people.ids.keys() & (case.path_parameters or {}).keys()
        for name in named:
            case.path_parameters[name] = people.ids[name]
        for who in ("alice", "script"):
            ask(case, people.shown[who])
        for who in ("bob", "nobody"):
            answer = ask(case, people.shown[who])
            assert not told_of_alice(answer), who
            if named:
                assert answer.status_code >= 400, who

    probe()


@pytest.mark.parametrize(
    "label", ["GET /api/profile", "GET /api/chats", "GET /api/chats/{chat_id}", "GET /api/profile/api-keys"]
)
def test_the_owner_is_told(label: str, people: Cast) -> None:
    """Else the test above looks for what no answer ever holds."""
    operation = OPERATIONS[label]
    mine = {name: value for name, value in people.ids.items() if f"{{{name}}}" in label}
    for who in ("alice", "script"):
        assert told_of_alice(ask(operation.Case(path_parameters=mine), people.shown[who])), who


def test_every_operation_is_asked() -> None:
    paths = api.get_openapi_schema(path_prefix="/api")["paths"]
    assert set(OPERATIONS) == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert len(OPERATIONS) >= 30
    assert all(names <= {"key_id", "chat_id", "reservation_id"} for names in map(_parameters, OPERATIONS))


def _parameters(label: str) -> set[str]:
    return {part[1:-1] for part in label.split("/") if part.startswith("{")}


def test_the_document_says_what_to_show() -> None:
    document = api.get_openapi_schema(path_prefix="/api")
    assert document["security"] == [{"session": []}, {"token": []}]
    assert set(document["components"]["securitySchemes"]) == {"session", "token"}
    apart = {
        f"{method.upper()} {path}": told["security"]
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if "security" in told
    }
    anybody = [{}, *document["security"]]
    assert apart == {
        "GET /api/usage/check": anybody,
        "POST /api/usage/check": anybody,
        "POST /api/usage/anonymous": anybody,
        "DELETE /api/profile": [{"session": []}],
    }


def test_no_two_shapes_have_one_name() -> None:
    """The document has one place for each name, so that one of two would be told as the other."""
    found: dict[str, set[str]] = {}
    waiting = [Shape, Body]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if "[" not in kind.__name__:
                found.setdefault(kind.__name__, set()).add(kind.__module__)
    assert len(found) > 20
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
