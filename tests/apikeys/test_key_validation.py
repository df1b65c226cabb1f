"""POST /api/profile/api-keys/<id>/validation, against servers that answer like the providers"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from apikeys import tasks, validation, vault
from apikeys.models import ApiKey
from apikeys.providers import Verdict
from tests.apikeys.conftest import SECRETS, add_for, at, call
from tests.processes import ROOT, environment
from tests.servers.providers import ProviderServer
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

Servers = dict[str, ProviderServer]
Add = Callable[..., ApiKey]


def validated(client: Client, key: ApiKey) -> dict[str, Any]:
    status, answer = call(client, "post", at(key.pk, "validation"))
    assert status == 200
    shown: dict[str, Any] = answer["data"]
    return shown


@pytest.mark.parametrize("provider", SECRETS)
def test_it_works(as_alice: Client, add: Add, providers: Servers, provider: str) -> None:
    shown = validated(as_alice, add(provider))

    assert (shown["isValid"], shown["validationError"]) == (True, None)
    assert shown["lastValidated"].endswith("Z")
    assert set(providers[provider].seen_keys) == {SECRETS[provider]}
    assert all(not request.query for request in providers[provider].received)
    assert not any(server.received for name, server in providers.items() if name != provider)


@pytest.mark.parametrize("provider", SECRETS)
def test_a_key_the_provider_does_not_know_is_invalid(
    as_alice: Client, add: Add, providers: Servers, provider: str
) -> None:
    unknown = SECRETS[provider] + "-unknown"
    shown = validated(as_alice, add(provider, secret=unknown))

    assert shown["isValid"] is False
    assert "does not know this key" in shown["validationError"]
    assert shown["lastValidated"]
    assert unknown not in str(shown)


@pytest.mark.parametrize("provider", SECRETS)
@pytest.mark.parametrize(
    ("mode", "works", "words"),
    [
        ("forbidden", False, "may not list models"),
        ("limited", None, "limiting requests"),
        ("broken", None, "(500)"),
        ("garbage", None, "no list of models"),
        ("huge", None, "too long"),
        ("redirect", None, "(302)"),
    ],
)
def test_every_other_answer_is_told(
    as_alice: Client, add: Add, providers: Servers, provider: str, mode: Any, works: bool | None, words: str
) -> None:
    providers[provider].mode = mode

    shown = validated(as_alice, add(provider))

    assert shown["isValid"] is works
    assert words in shown["validationError"]
    assert (shown["lastValidated"] is None) == (works is None)
    assert not any(request.path == "/elsewhere" for request in providers[provider].received)


def test_what_cannot_be_told_keeps_what_was_known(as_alice: Client, add: Add, openai: ProviderServer) -> None:
    key = add()
    before = validated(as_alice, key)

    openai.mode = "broken"
    after = validated(as_alice, key)
    openai.mode = "ok"
    again = validated(as_alice, key)

    assert (after["isValid"], after["lastValidated"]) == (True, before["lastValidated"])
    assert after["validationError"]
    assert (again["isValid"], again["validationError"]) == (True, None)


def test_a_slow_provider_is_not_waited_for(
    as_alice: Client, add: Add, openai: ProviderServer, settings: Settings
) -> None:
    settings.PROVIDER_TIMEOUT = 0.3
    openai.mode = "slow"
    began = time.monotonic()

    shown = validated(as_alice, add())

    assert time.monotonic() - began < 3
    assert shown["isValid"] is None
    assert "did not answer in time" in shown["validationError"]


def test_a_provider_that_is_not_there_is_told(as_alice: Client, add: Add, settings: Settings) -> None:
    settings.PROVIDER_BASE_URLS = settings.PROVIDER_BASE_URLS | {"openai": "http://127.0.0.1:9"}

    shown = validated(as_alice, add())

    assert shown["isValid"] is None
    assert "No connection" in shown["validationError"]


def test_a_host_that_does_not_exist_is_told(as_alice: Client, add: Add) -> None:
    shown = validated(as_alice, add(base_url="https://nowhere.invalid/v1"))

    assert shown["isValid"] is None
    assert "could not be found" in shown["validationError"]


def test_a_persons_base_url_is_asked_when_private_ones_are_allowed(
    as_alice: Client, add: Add, openai: ProviderServer, settings: Settings
) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES = True
    settings.PROVIDER_BASE_URLS = settings.PROVIDER_BASE_URLS | {"openai": "http://127.0.0.1:9"}

    shown = validated(as_alice, add(base_url=openai.base_url))

    assert (shown["baseUrl"], shown["isValid"]) == (openai.base_url, True)


def test_a_name_that_leads_to_a_private_address_is_not_asked(
    as_alice: Client, add: Add, openai: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolves(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        # One public and one private: whoever connects to "the first that works" is led in.
        return [(2, 1, 6, "", ("93.184.215.14", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("wavelength.outgoing.socket.getaddrinfo", resolves)

    shown = validated(as_alice, add(base_url=f"https://llm.example.com:{openai.port}/v1"))

    assert "private address" in shown["validationError"]
    assert openai.received == []


def test_it_holds_no_transaction_while_it_asks(
    as_alice: Client, add: Add, openai: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add()
    depth = len(connection.savepoint_ids)
    seen = []
    ask = validation.ask

    def watched(opened: vault.OpenKey) -> Verdict:
        seen.append(len(connection.savepoint_ids))
        return ask(opened)

    monkeypatch.setattr(validation, "ask", watched)
    validated(as_alice, key)

    assert seen == [depth]


def test_a_secret_replaced_meanwhile_keeps_its_own_state(
    as_alice: Client, alice: User, add: Add, openai: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add()

    def replaced(opened: vault.OpenKey) -> Verdict:
        vault.change_key(user_id=alice.pk, key_id=key.pk, secret=Secret("sk-proj-new-secret-12345"))
        return Verdict(False, "It was refused.")

    monkeypatch.setattr(validation, "ask", replaced)

    shown = validated(as_alice, key)

    assert (shown["isValid"], shown["validationError"]) == (None, None)


def test_another_persons_key_is_not_found(as_bob: Client, add: Add, openai: ProviderServer) -> None:
    key = add()

    assert call(as_bob, "post", at(key.pk, "validation")) == call(as_bob, "post", at(uuid4(), "validation"))
    assert openai.received == []


def test_another_method_is_refused(as_alice: Client, add: Add) -> None:
    assert call(as_alice, "get", at(add().pk, "validation"))[0] == 405


@pytest.mark.parametrize("mode", ["ok", "unauthorized", "broken", "garbage", "redirect"])
def test_the_key_is_in_no_log(
    as_alice: Client, add: Add, openai: ProviderServer, caplog: pytest.LogCaptureFixture, mode: Any
) -> None:
    openai.mode = mode
    caplog.set_level(logging.DEBUG)

    validated(as_alice, add())

    assert caplog.text
    assert SECRETS["openai"] not in caplog.text


def test_the_command_asks_about_everyones_active_keys(alice: User, bob: User, add: Add, providers: Servers) -> None:
    add("openai")
    add("xai", secret="xai-unknown-to-anyone")
    idle = add("google")
    vault.change_key(user_id=alice.pk, key_id=idle.pk, is_active=False)
    add_for(bob, "anthropic")
    providers["anthropic"].mode = "limited"
    output = StringIO()

    call_command("validate_keys", stdout=output)

    assert "valid 1, invalid 1, not told 1" in output.getvalue()
    assert providers["google"].received == []
    assert not any(secret in output.getvalue() for secret in SECRETS.values())


def test_the_command_takes_one_person(alice: User, bob: User, add: Add, providers: Servers) -> None:
    add("openai")
    add_for(bob, "xai")
    output = StringIO()

    call_command("validate_keys", user=alice.email.upper(), stdout=output)

    assert "valid 1, invalid 0, not told 0" in output.getvalue()
    with pytest.raises(CommandError, match="Nobody"):
        call_command("validate_keys", user="nobody@example.com", stdout=output)


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_the_daily_job_takes_the_keys_that_are_due(
    alice: User, bob: User, add: Add, providers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("openai")
    add_for(bob, "xai")
    deferred = []
    monkeypatch.setattr(tasks.validate_keys_of, "defer", lambda **arguments: deferred.append(arguments["user_id"]))

    tasks.validate_due_keys(0)
    tasks.validate_keys_of(deferred[0])
    first, deferred[:] = list(deferred), []
    tasks.validate_due_keys(0)

    assert first == [str(alice.pk), str(bob.pk)]
    assert deferred == [str(bob.pk)]
    with tenant(alice.pk):
        assert ApiKey.objects.get().is_valid is True


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_the_worker_does_the_daily_job(alice: User, add: Add, openai: ProviderServer) -> None:
    add()
    # The flush after other tests leaves jobs: their tables are procrastinate's own.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    tasks.validate_due_keys.configure().defer(timestamp=0)

    subprocess.run(
        [sys.executable, "manage.py", "procrastinate", "worker", "--one-shot"],
        cwd=ROOT,
        env=environment(OPENAI_BASE_URL=openai.base_url),
        capture_output=True,
        timeout=60,
        check=True,
    )

    with tenant(alice.pk):
        assert ApiKey.objects.get().is_valid is True
    with connection.cursor() as cursor:
        # A worker also begins what is due at every minute.
        cursor.execute("SELECT status::text, args::text FROM procrastinate_jobs WHERE task_name LIKE '%.validate_%'")
        jobs = cursor.fetchall()
    assert [status for status, _ in jobs] == ["succeeded"] * 2
    assert SECRETS["openai"] not in str(jobs)
