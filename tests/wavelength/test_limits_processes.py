"""Every limit on two real servers that know nothing of one another but the database, or Redis.

What one lets pass counts for the other; nobody else is affected; and the answer says when to come back.
"""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from accounts.tokens import make_token
from tests.conftest import PASSWORD, make_person, signed_in
from tests.processes import Running, free_port, serve
from tests.servers.redis import redis_server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

HOUR = 3600
MOST = 40  # seconds that a test takes on a slow machine
LIMITS: dict[str, Any] = {
    "RATE_LIMIT_API": "200/h",
    "RATE_LIMIT_TOKEN": "80/h",
    "RATE_LIMIT_FAILED_TOKENS": "6/h",
    "RATE_LIMIT_MAILED_CODES": "3/h",
    "RATE_LIMIT_KEY_WRITES": "6/h",
    "RATE_LIMIT_VALIDATION": "5/h",
    "RATE_LIMIT_KEY_VALIDATION": "3/h",
    "RATE_LIMIT_HANDOVER": "4/h",
    "RATE_LIMIT_SIGNIN": "6/h",
    "RATE_LIMIT_SIGNUP": "4/h",
    "RATE_LIMIT_RESET": "4/h",
    "EMAIL_URL": "consolemail://",
    "BEHIND_PROXY": "true",
    "FORWARDED_ALLOW_IPS": "127.0.0.1",
    # Nobody answers there: asked all the same, and told so.
    "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
}
Pair = list[Running]


@pytest.fixture(scope="module", params=["database", "redis"])
def pair(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[Pair]:
    with ExitStack() as stack:
        more = LIMITS | ({"REDIS_URL": stack.enter_context(redis_server())} if request.param == "redis" else {})
        yield [stack.enter_context(serve(threads=4, **more)) for _ in range(2)]


@pytest.fixture(autouse=True)
def _within_an_hour() -> None:
    """What is counted in the hours of the clock would else begin anew in the middle."""
    left = HOUR - time.time() % HOUR
    if left < MOST:
        time.sleep(left)


def by_turns(pair: Pair, ask: Callable[[httpx.Client], httpx.Response], times: int, address: str) -> list[int]:
    """The statuses of so many of these, from one address, each at the other server than the one before."""
    return [answer.status_code for answer in answers(pair, ask, times, address)]


def answers(
    pair: Pair, ask: Callable[[httpx.Client], httpx.Response], times: int, address: str, cookie: str = ""
) -> list[httpx.Response]:
    # Under one name, as behind one proxy.
    headers = {"Host": "testserver", "X-Forwarded-For": address, **({"Cookie": cookie} if cookie else {})}
    with ExitStack() as stack:
        browsers = [
            stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=30)) for server in pair
        ]
        return [ask(browser) for browser, _ in zip(cycle(browsers), range(times), strict=False)]


def as_person(person: User) -> str:
    """A session of theirs, as the header that shows it."""
    client: Client = signed_in(person)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def form(path: str, **fields: str) -> Callable[[httpx.Client], httpx.Response]:
    """Fill a form in, as a browser that has just come."""

    def send(browser: httpx.Client) -> httpx.Response:
        browser.cookies.clear()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(path).text)
        assert token
        return browser.post(path, data=fields | {"csrfmiddlewaretoken": token[1]})

    return send


def call(method: str, path: str, body: Any = None) -> Callable[[httpx.Client], httpx.Response]:
    return lambda browser: browser.request(method, path, **({} if body is None else {"json": body}))


def waits_until_the_hour(answer: httpx.Response) -> bool:
    return int(answer.headers["Retry-After"]) == pytest.approx(HOUR - time.time() % HOUR, abs=60)


def test_signing_in_by_address(pair: Pair) -> None:
    make_person("alice@example.com", "Alice")
    ways_in = form("/accounts/login/", login="alice@example.com", password=PASSWORD)
    # From elsewhere each time it is another proxy's word, and nobody's here.
    assert by_turns(pair, ways_in, 8, "198.51.100.1") == [302] * 6 + [429] * 2
    assert by_turns(pair, ways_in, 1, "198.51.100.2") == [302]
    refused = answers(pair, ways_in, 1, "198.51.100.1")[0]
    assert int(refused.headers["Retry-After"]) == HOUR
    assert "That was a little too often" in refused.text
    # What a caller writes into the header itself changes nothing: the proxy adds the true one.
    assert by_turns(pair, ways_in, 1, "203.0.113.7, 198.51.100.1") == [429]


def test_wrong_passwords_of_one_account_from_anywhere(pair: Pair) -> None:
    make_person("alice@example.com", "Alice")
    wrong = form("/accounts/login/", login="alice@example.com", password="a wrong password")
    told = [answers(pair[n % 2 :] + pair[: n % 2], wrong, 1, f"198.51.100.{10 + n}")[0].text for n in range(7)]
    assert ["Too many failed attempts" in text for text in told] == [False] * 5 + [True] * 2
    right = form("/accounts/login/", login="alice@example.com", password=PASSWORD)
    assert by_turns(pair, right, 2, "198.51.100.30") == [200, 200], "not even with the right one"
    make_person("bob@example.com", "Bob")
    assert by_turns(pair, form("/accounts/login/", login="bob@example.com", password=PASSWORD), 1, "198.51.100.31") == [
        302
    ]


def test_signing_up_by_address(pair: Pair) -> None:
    names = iter(range(100))

    def sign_up(browser: httpx.Client) -> httpx.Response:
        return form("/accounts/signup/", email=f"new{next(names)}@example.com", password1=PASSWORD)(browser)

    assert by_turns(pair, sign_up, 6, "198.51.100.40") == [302] * 4 + [429] * 2
    assert by_turns(pair, sign_up, 1, "198.51.100.41") == [302]
    assert User.objects.filter(email__startswith="new").count() == 5


def test_resetting_by_address(pair: Pair) -> None:
    names = iter(range(100))

    def reset(browser: httpx.Client) -> httpx.Response:
        return form("/accounts/password/reset/", email=f"some{next(names)}@example.com")(browser)

    assert by_turns(pair, reset, 6, "198.51.100.50") == [302] * 4 + [429] * 2
    assert by_turns(pair, reset, 1, "198.51.100.51") == [302]


def test_confirming_again_sends_one_letter_in_three_minutes(pair: Pair) -> None:
    before = letters_to("erin@example.com", pair)
    sign_up = form("/accounts/signup/", email="erin@example.com", password1=PASSWORD)
    assert by_turns(pair, sign_up, 1, "198.51.100.60") == [302]
    # Signing in before the address is confirmed sends the letter again.
    sign_in = form("/accounts/login/", login="erin@example.com", password=PASSWORD)
    assert by_turns(pair, sign_in, 4, "198.51.100.61") == [302] * 4
    assert letters_to("erin@example.com", pair) - before == 1


def letters_to(address: str, pair: Pair) -> int:
    return sum(server.log.count(f"To: {address}") for server in pair)


def test_key_writes_by_person(pair: Pair) -> None:
    alice, bob = make_person("alice@example.com", "Alice"), make_person("bob@example.com", "Bob")
    numbers = iter(range(100))

    def add(browser: httpx.Client) -> httpx.Response:
        number = next(numbers)
        body = {"provider": "openai", "keyName": f"key {number}", "apiKey": f"sk-proj-0f3a5b7c9d1e2f4a6b{number:04}"}
        return browser.post("/api/profile/api-keys", json=body)

    found = answers(pair, add, 8, "198.51.100.70", as_person(alice))
    assert [answer.status_code for answer in found] == [200] * 6 + [429] * 2
    assert found[-1].json()["code"] == "too_many_requests"
    assert waits_until_the_hour(found[-1])
    # In another browser, from elsewhere, too.
    assert answers(pair, add, 1, "198.51.100.71", as_person(alice))[0].status_code == 429
    assert answers(pair, add, 1, "198.51.100.70", as_person(bob))[0].status_code == 200
    with_get = answers(pair, call("GET", "/api/profile/api-keys"), 1, "198.51.100.70", as_person(alice))[0]
    assert len(with_get.json()["data"]) == 6


def test_validation_by_key_and_by_person(pair: Pair) -> None:
    alice, bob = make_person("alice@example.com", "Alice"), make_person("bob@example.com", "Bob")

    def added(person: User, number: int) -> str:
        body = {"provider": "openai", "keyName": f"k{number}", "apiKey": f"sk-proj-0f3a5b7c9d1e2f4a6b{number:04}"}
        answer = answers(pair, call("POST", "/api/profile/api-keys", body), 1, "198.51.100.80", as_person(person))[0]
        return str(UUID(answer.json()["data"]["id"]))

    def validated(person: User, key: str, times: int) -> list[int]:
        ask = call("POST", f"/api/profile/api-keys/{key}/validation")
        found = answers(pair, ask, times, "198.51.100.80", as_person(person))
        assert all(waits_until_the_hour(answer) for answer in found if answer.status_code == 429)
        return [answer.status_code for answer in found]

    first, second, his = added(alice, 1), added(alice, 2), added(bob, 3)
    assert validated(alice, first, 4) == [200] * 3 + [429]
    # Of the person's five, four are used up: what is refused for the key counts for the person.
    assert validated(alice, second, 3) == [200, 429, 429]
    assert validated(bob, his, 1) == [200]
    # Asking about another's key is as asking about none, and takes nothing of its owner's.
    assert validated(bob, first, 1) == [404]


def test_hand_overs_by_person(pair: Pair) -> None:
    alice, bob = make_person("alice@example.com", "Alice"), make_person("bob@example.com", "Bob")
    hand_over = call("POST", "/api/migration", {"chats": [], "config": {}, "anonymousId": "one"})
    found = answers(pair, hand_over, 6, "198.51.100.90", as_person(alice))
    assert [answer.status_code for answer in found] == [200] * 4 + [429] * 2
    assert waits_until_the_hour(found[-1])
    assert answers(pair, hand_over, 1, "198.51.100.90", as_person(bob))[0].status_code == 200


@pytest.mark.parametrize("path", ["/api/profile", "/api/chats"])
def test_calls_by_person_though_leased(pair: Pair, path: str) -> None:
    alice, bob = make_person("alice@example.com", "Alice"), make_person("bob@example.com", "Bob")
    cookies = [as_person(alice) for _ in range(4)]

    def ask(number: int) -> httpx.Response:
        headers = {"Cookie": cookies[number % 4], "X-Forwarded-For": f"198.51.100.{100 + number % 100}"}
        return client.get(f"{pair[number % 2].url}{path}", headers=headers)

    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(260)))
    allowed = [answer.status_code for answer in found].count(200)
    assert allowed == 200, "of four sessions and a hundred addresses, through two servers"
    assert all(waits_until_the_hour(answer) for answer in found if answer.status_code == 429)
    assert answers(pair, call("GET", path), 1, "198.51.100.101", as_person(bob))[0].status_code == 200
    usage = call("POST", "/api/profile/usage", {"provider": "openai", "model": "gpt-4o"})
    assert answers(pair, usage, 4, "198.51.100.101", as_person(alice))[-1].status_code == 200, "recording goes on"


def test_calls_with_one_token_and_with_tokens_that_do_not_work(pair: Pair, request: pytest.FixtureRequest) -> None:
    alice = make_person("alice@example.com", "Alice")
    first, second = (make_token(user_id=alice.pk, name="x", days=30, read_only=True) for _ in range(2))

    def shown(token: str) -> Callable[[httpx.Client], httpx.Response]:
        return lambda browser: browser.get("/api/chats", headers={"Authorization": f"Bearer {token}"})

    found = answers(pair, shown(first), 84, "198.51.100.110")
    assert [answer.status_code for answer in found] == [200] * 80 + [429] * 4
    assert waits_until_the_hour(found[-1])
    assert by_turns(pair, shown(second), 1, "198.51.100.110") == [200]
    # An address of its own for each store.
    here = "198.51.100.111" if "redis" in request.node.name else "198.51.100.112"
    assert by_turns(pair, shown("wl_" + "x" * 43), 8, here) == [401] * 6 + [429] * 2
    assert by_turns(pair, shown(second), 1, here) == [200], "one that works still does"
    assert by_turns(pair, shown("wl_" + "x" * 43), 1, "198.51.100.113") == [401]


def test_codes_mailed_to_one_person(pair: Pair) -> None:
    alice = make_person("alice@example.com", "Alice")
    User.objects.filter(pk=alice.pk).update(password="!")
    alice.refresh_from_db()
    before = letters_to(alice.email, pair)

    def ask(browser: httpx.Client) -> httpx.Response:
        page = browser.get("/accounts/reauthenticate/code/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, page.status_code
        cookie = f"{browser.headers['Cookie']}; {settings.CSRF_COOKIE_NAME}={page.cookies[settings.CSRF_COOKIE_NAME]}"
        form = {"mail": "yes", "csrfmiddlewaretoken": token[1]}
        return browser.post("/accounts/reauthenticate/code/", data=form, headers={"Cookie": cookie})

    assert [answer.status_code for answer in answers(pair, ask, 4, "198.51.100.120", as_person(alice))] == [302] * 4
    assert letters_to(alice.email, pair) - before == 3


def test_every_limit_is_tried_here() -> None:
    assert {f"RATE_LIMIT_{name.upper()}" for name in settings.RATE_LIMITS} - set(LIMITS) == {
        "RATE_LIMIT_RECORDING"  # off, as it is
    }


def test_calls_of_nobody_by_address(pair: Pair, request: pytest.FixtureRequest) -> None:
    # An address of its own for each store; an IPv6 one counts by its network.
    home = "2001:db8:7:1" if "redis" in request.node.name else "2001:db8:7:2"
    ask = call("GET", "/api/auth/session")
    found = answers(pair, ask, 100, f"{home}::1") + answers(pair, ask, 102, f"{home}::2")
    assert [answer.status_code for answer in found] == [200] * 200 + [429] * 2
    assert found[-1].json()["code"] == "too_many_requests"
    assert waits_until_the_hour(found[-1])
    assert by_turns(pair, ask, 1, "2001:db8:8::1") == [200]
