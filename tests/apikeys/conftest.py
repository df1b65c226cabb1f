"""A provider of each kind, running here, in place of the real ones."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from tests.servers.providers import SERVERS, ProviderServer
from wavelength.envelope import Secret

KEYS_URL = "/api/profile/api-keys"
SECRETS = {
    "openrouter": "sk-or-v1-0f3a5b7c9d1e2f4a6b8c",
    "openai": "sk-proj-0f3a5b7c9d1e2f4a6b8c",
    "anthropic": "sk-ant-api03-0f3a5b7c9d1e2f4a6b8c",
    "google": "AIzaSyA0f3a5b7c9d1e2f4a6b8c",
    "xai": "xai-0f3a5b7c9d1e2f4a6b8c",
}


@pytest.fixture
def providers(settings: Settings) -> Iterator[dict[str, ProviderServer]]:
    """The five providers, each taking only its own key of SECRETS."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(server(SECRETS[name])) for name, server in SERVERS.items()}
        settings.PROVIDER_BASE_URLS = {name: server.base_url for name, server in servers.items()}
        settings.PROVIDER_TIMEOUT = 5.0
        yield servers


@pytest.fixture
def openai(providers: dict[str, ProviderServer]) -> ProviderServer:
    return providers["openai"]


def add_for(person: User, provider: str = "openai", secret: str = "", **more: Any) -> ApiKey:
    """Store a key of this person's."""
    return vault.store_key(user_id=person.pk, provider=provider, secret=Secret(secret or SECRETS[provider]), **more)


@pytest.fixture
def add(alice: User) -> Callable[..., ApiKey]:
    """Store a key of Alice's."""
    return partial(add_for, alice)


def call(client: Client, method: str, url: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """Call the API; answers the status and the envelope."""
    # No body at all, where there is none: Django's client would send an empty form.
    more = {"data": "" if body is None else body, "content_type": "application/json"}
    response = getattr(client, method)(url, **({} if method == "get" else more))
    return response.status_code, response.json()


def at(key_id: UUID | str, noun: str = "") -> str:
    return f"{KEYS_URL}/{key_id}{f'/{noun}' if noun else ''}"
