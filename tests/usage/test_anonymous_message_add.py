"""POST /api/usage/anonymous over HTTP; tests/usage/test_anonymous_count.py is about the counting itself."""

from uuid import UUID

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.usage.calling import daily, send
from usage.models import AnonymousDay

URL = "/api/usage/anonymous"
pytestmark = pytest.mark.django_db


def counted(name: str) -> int:
    found = AnonymousDay.objects.filter(scope=AnonymousDay.Scope.SESSION, name=name).first()
    return found.messages if found else 0


def test_it_works(anonymous: Client) -> None:
    for used in (1, 2):
        answer = send(anonymous, "POST", URL, **{"x-anonymous-id": "a browser"})
        assert answer.status_code == 200
        data = answer.json()["data"]
        assert data.pop("timeUntilReset").endswith("m")
        assert data.pop("resetTime").endswith("T00:00:00.000Z")
        assert data == {
            "anonymousId": "a browser", "dailyLimit": 50, "usedMessages": used, "remainingMessages": 50 - used,
            "shouldShowUpgradePrompt": False,
        }  # fmt: skip
    assert counted("a browser") == 2


def test_a_new_browser(anonymous: Client) -> None:
    name = send(anonymous, "POST", URL).json()["data"]["anonymousId"]
    assert str(UUID(name)) == name
    assert counted(name) == 1


def test_past_the_day_it_is_refused(anonymous: Client) -> None:
    AnonymousDay.objects.all().delete()
    headers = {"x-anonymous-id": "a browser"}
    for _ in range(50):
        assert send(anonymous, "POST", URL, **headers).status_code == 200
    refused = send(anonymous, "POST", URL, **headers)
    body = refused.json()
    assert (refused.status_code, body["code"], body["success"]) == (429, "quota_exceeded", False)
    assert body["error"] == "You have sent today's 50 messages. Sign in to go on, or come back tomorrow."
    assert (body["data"]["remainingMessages"], body["data"]["shouldShowUpgradePrompt"]) == (0, True)
    assert 0 < int(refused["Retry-After"]) <= 24 * 3600
    assert counted("a browser") == 50
    assert send(anonymous, "POST", URL, **{"x-anonymous-id": "another"}).status_code == 200


def test_past_the_cap_of_one_network(anonymous: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ADDRESS_DAILY_LIMIT = 3
    answers = [send(anonymous, "POST", URL) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "network" in answers[-1].json()["error"]
    elsewhere = anonymous.post(URL, content_type="application/json", REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 200


def test_it_enters_no_account(as_alice: Client, alice: User) -> None:
    assert send(as_alice, "POST", URL, **{"x-anonymous-id": "a browser"}).status_code == 200
    assert daily(alice).used_requests == 0


def test_what_is_refused_counts_nothing(anonymous: Client) -> None:
    assert send(anonymous, "POST", URL, **{"x-anonymous-id": "x" * 201}).status_code == 400
    for method in ("GET", "PUT", "DELETE"):
        assert send(anonymous, method, URL).status_code == 405
    assert send(anonymous, "POST", URL, Origin="https://evil.example.com").status_code == 403
    assert not AnonymousDay.objects.exists()
