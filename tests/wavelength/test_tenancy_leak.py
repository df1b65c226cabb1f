"""The leak fuzz: thousands of requests of several people over the same threads and connections.

Against the real server, with persistent connections and with the pool. Each answer must be about the person
who asked and nobody else. The seed is printed; `LEAK_FUZZ_SEED` repeats a run.
"""

import json
import os
import random
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from accounts.models import Profile, User
from tests.conftest import make_person, signed_in
from tests.processes import serve
from wavelength import settings as wavelength_settings
from wavelength.tenancy import tenant

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"]),
    pytest.mark.timeout(600),
]
REQUESTS = 10_000
CLIENTS = 16
SERVER_THREADS = 8

# How often, what is asked, with which body (... is one's own biography), and which status must come
# (... is 200 with one's own row).
KINDS: dict[str, tuple[int, str, str, Any, Any]] = {
    "in the request's transaction": (4, "GET", "/probe/request", None, ...),
    "in a tenant": (4, "GET", "/probe/tenant", None, ...),
    "after errors": (2, "GET", "/probe/errors", None, ...),
    "in no transaction": (3, "GET", "/probe/bare", None, 200),
    "reading": (4, "GET", "/api/profile", None, ...),
    "writing": (2, "PUT", "/api/profile", ..., ...),
    "failing": (1, "PUT", "/api/profile", {"timezone": 7}, 400),
    "missing": (1, "DELETE", "/api/profile/api-keys/01890000-0000-7000-8000-000000000000", None, 404),
    "nobody": (2, "GET", "/probe/bare", None, 200),
    "nobody reading": (2, "GET", "/api/profile", None, 401),
    "nobody in a transaction": (2, "GET", "/probe/request", None, 200),
}


class Browser:
    """A thread of one kept-alive connection, over which it asks as one person after another."""

    def __init__(self, url: str, cookies: dict[str, str], seed: int) -> None:
        self.http = HTTPConnection(urlsplit(url).netloc, timeout=60)
        self.cookies = cookies
        self.random = random.Random(seed)
        self.outcomes: Counter[str] = Counter()

    def run(self, requests: int) -> Counter[str]:
        for _ in range(requests):
            self.step()
        self.http.close()
        return self.outcomes

    def step(self) -> None:
        """One request at random, of the product's own and of those that leave everything to the policies."""
        person = self.random.choice(list(self.cookies))
        kind = self.random.choices(list(KINDS), [weight for weight, *_ in KINDS.values()])[0]
        _, method, path, body, wanted = KINDS[kind]
        asking = "" if kind.startswith("nobody") else person
        status, answer = self.ask(asking, method, path, {"bio": person} if body is ... else body)
        self.count(kind, person if wanted is ... else "", status, answer, 200 if wanted is ... else wanted)

    def ask(self, person: str, method: str, path: str, body: object = None) -> tuple[int, str]:
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookies[person]}"} if person else {}
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = json.dumps(body), "application/json"
        self.http.request(method, path, sent, headers)
        response = self.http.getresponse()
        return response.status, response.read().decode()

    def count(self, kind: str, person: str, status: int, body: str, wanted: int) -> None:
        """Count what came: `leak` where another's id stands in the answer, `lost` where one's own does not.

        No id at all may stand where `person` is empty.
        """
        others = [other for other in self.cookies if other != person and other in body]
        if others:
            self.outcomes["leak"] += 1
        elif status != wanted:
            self.outcomes[f"{kind}: {status}"] += 1
        elif person and (person not in body or '"bio":""' in body):
            self.outcomes["lost"] += 1
        else:
            self.outcomes["right"] += 1


@pytest.fixture
def people(alice: User, bob: User, charlie: User) -> list[User]:
    """Four, each of whose biographies holds their own id."""
    people = [alice, bob, charlie, make_person("dora@example.com", "Dora")]
    for person in people:
        with tenant(person.pk):
            Profile.objects.update(bio=str(person.pk))
    return people


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("LEAK_FUZZ_SEED") or secrets.randbelow(2**32))
    print(f"LEAK_FUZZ_SEED={chosen}")  # noqa: T201  (shown where the test fails)
    return chosen


def fuzz(
    people: list[User], seed: int, *, requests: int = REQUESTS, application: str = "probing", **env: Any
) -> Counter[str]:
    """What became of so many requests by sixteen clients at once; ``env`` is added to the server's settings."""
    cookies = {str(person.pk): signed_in(person).cookies[settings.SESSION_COOKIE_NAME].value for person in people}
    served = serve(application=f"tests.wavelength.{application}", threads=SERVER_THREADS, **env)
    with served as server, ThreadPoolExecutor(CLIENTS) as clients:
        browsers = [Browser(server.url, cookies, seed + number) for number in range(CLIENTS)]
        outcomes = clients.map(lambda browser: browser.run(-(-requests // CLIENTS)), browsers)
        return sum(outcomes, Counter())


def biographies(people: list[User]) -> list[str]:
    found = []
    for person in people:
        with tenant(person.pk):
            found.append(Profile.objects.get().bio)
    return found


@pytest.mark.parametrize("pool", ["false", "4"], ids=["persistent", "pool"])
def test_nothing_leaks(pool: str, people: list[User], seed: int) -> None:
    outcomes = fuzz(people, seed, DATABASE_POOL=pool)
    assert outcomes.keys() == {"right"}, (seed, outcomes)
    assert outcomes["right"] >= REQUESTS
    assert biographies(people) == [str(person.pk) for person in people]


def test_a_leak_is_found(people: list[User], seed: int) -> None:
    """The same, against an application that tells the session instead of the transaction."""
    outcomes = fuzz(people, seed, requests=800, application="leaking")
    assert outcomes["leak"] + outcomes["lost"] > 0, (seed, outcomes)


@pytest.mark.parametrize(
    ("value", "pool", "max_age"),
    [
        ("false", False, None),
        ("", False, None),
        ("0", False, None),
        ("true", True, 0),
        ("7", {"min_size": 1, "max_size": 7}, 0),
    ],
)
def test_the_pool_and_persistent_connections_exclude_each_other(
    value: str, pool: bool | dict[str, int], max_age: int | None
) -> None:
    database = wavelength_settings._database(
        "postgresql://h/d", "wavelength.tenancy", pool=wavelength_settings._pool(value)
    )
    assert (database["OPTIONS"]["pool"], database["CONN_MAX_AGE"]) == (pool, max_age)
