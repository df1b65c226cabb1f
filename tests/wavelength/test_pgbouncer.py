"""The leak fuzz and the product's work through PgBouncer in transaction mode, where it is installed.

There a statement may come to another of PostgreSQL's sessions than the one before, and that served somebody else.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db.models import Sum

from accounts.models import User
from tests.chats.payloads import chat, message, payload
from tests.conftest import PASSWORD, signed_in
from tests.processes import environment, serve
from tests.servers.pgbouncer import carries_prepared_statements, pgbouncer
from tests.wavelength.test_tenancy_leak import biographies, fuzz, people, seed
from usage.ledger import check
from usage.models import UsageRecord
from wavelength.tenancy import tenant

__all__ = ["people", "seed"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"]),
    pytest.mark.timeout(600),
]
REQUESTS = 2_000
THREADS = 8
SESSIONS = 3  # of PostgreSQL, which they share


@pytest.fixture(params=["true", "false"], ids=["prepared", "unprepared"])
def through(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings that lead through a pooler."""
    if request.param == "true" and not carries_prepared_statements():
        pytest.skip("This PgBouncer is older than 1.22: it does not carry prepared statements as psycopg uses them.")
    direct = environment()
    urls = {name: direct[name] for name in ("DATABASE_URL", "DATABASE_OPERATOR_URL")}
    with pgbouncer(urls, size=SESSIONS) as pooled:
        yield pooled | {"DATABASE_PREPARED_STATEMENTS": request.param}


def test_nothing_leaks(through: dict[str, Any], people: list[User], seed: int) -> None:
    outcomes = fuzz(people, seed, requests=REQUESTS, **through)
    assert outcomes.keys() == {"right"}, (seed, outcomes)
    assert biographies(people) == [str(person.pk) for person in people]


def test_everything_works(through: dict[str, Any], alice: User, olga: User) -> None:
    administrator = signed_in(olga).cookies[settings.SESSION_COOKIE_NAME].value
    with ExitStack() as stack:
        server = stack.enter_context(serve(threads=THREADS, **through))
        hers = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))
        sign_in(hers)
        for path in ("/", "/profile/", "/security/", "/keys/", "/usage/", "/chats/", "/import/", "/privacy/"):
            assert hers.get(path).status_code == 200, path
        key = {"provider": "openai", "keyName": "mine", "apiKey": "sk-proj-0f3a5b7c9d1e2f4a6b8c"}
        assert hers.post("/api/profile/api-keys", json=key).status_code == 200

        # New chats are loaded at once, another state of one is merged: two ways over temporary tables.
        first, more = message("m1"), message("m2")
        brought = [hand_over(hers, payload(*chats)) for chats in ([chat("c1", first)], [chat("c1", first, more)])]
        assert brought == [(1, 1), (0, 1)]

        usage = {"provider": "openai", "model": "gpt-4o", "inputTokens": 10, "outputTokens": 5}
        with ThreadPoolExecutor(2 * THREADS) as pool:
            told = list(pool.map(lambda number: record(hers, usage, f"r{number % 100}"), range(200)))
        assert told == [200] * 200
        with tenant(alice.pk):
            assert UsageRecord.objects.aggregate(n=Sum("request_count"))["n"] == 100
        assert not check(user_id=alice.pk).differences

        his = httpx.Client(base_url=server.url, timeout=30, cookies={settings.SESSION_COOKIE_NAME: administrator})
        assert stack.enter_context(his).get("/admin/accounts/user/").status_code == 200


def sign_in(browser: httpx.Client) -> None:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/accounts/login/").text)
    assert token
    fields = {"login": "alice@example.com", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    assert browser.post("/accounts/login/", data=fields).headers["Location"] == "/"


def hand_over(browser: httpx.Client, body: object) -> tuple[int, int]:
    told = browser.post("/api/migration", json=body).json()["data"]
    return told["migratedChats"], told["migratedMessages"]


def record(browser: httpx.Client, usage: object, name: str) -> int:
    return browser.post("/api/profile/usage", json=usage, headers={"Idempotency-Key": name}).status_code
