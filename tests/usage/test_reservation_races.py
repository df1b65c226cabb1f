"""However many ask at once, no limit is passed and no room is left unused: in Python and at the real server."""

from collections import Counter
from contextlib import ExitStack
from functools import partial

import pytest

from accounts.models import User
from tests.processes import serve
from tests.usage.crowds import at_once, calling
from usage import ledger, metering, quotas
from usage.models import Period
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
THREADS = 32


def reserves(person: User, tokens: int = 0) -> str:
    """`made`, or which limits refused."""
    try:
        metering.reserve(user_id=person.pk, provider="acme", model="one", tokens=tokens)
    except metering.QuotaExceededError as error:
        return " ".join(refusal.kind for refusal in error.refusals)
    return "made"


def reserved_today(person: User) -> tuple[int, int]:
    assert ledger.check(user_id=person.pk).differences == []
    daily = quotas.quotas_of(user_id=person.pk)[0]
    return daily.reserved_requests, daily.reserved_tokens


def use_all_but_one(person: User) -> None:
    metering.record_usage(user_id=person.pk, provider="acme", model="one", requests=499)


def test_thirty_two_threads_get_the_last_request_once(alice: User) -> None:
    use_all_but_one(alice)
    answers = at_once([partial(reserves, alice)] * THREADS, threads=THREADS)
    assert Counter(answers) == {"made": 1, "requests": THREADS - 1}
    assert reserved_today(alice) == (1, 0)


def test_thirty_two_threads_get_the_last_request_once_before_any_window_is_open(alice: User) -> None:
    quotas.set_quota(user_id=alice.pk, period=Period.DAILY, request_limit=1)
    answers = at_once([partial(reserves, alice)] * THREADS, threads=THREADS)
    assert Counter(answers) == {"made": 1, "requests": THREADS - 1}
    assert reserved_today(alice) == (1, 0)


def test_over_http_the_last_request_is_reserved_once(alice: User) -> None:
    use_all_but_one(alice)
    wish = {"provider": "acme", "model": "one", "estimatedTokens": 10}
    with serve(workers=2, threads=8) as server, ExitStack() as browsers:
        calls = [browsers.enter_context(calling(server.url, alice)) for _ in range(THREADS)]
        for call in calls:
            assert call("GET", "/api/usage/status")[0] == 200
        answers = at_once([partial(call, "POST", "/api/usage/reservations", wish) for call in calls], threads=THREADS)
    assert Counter(status for status, _ in answers) == {200: 1, 429: THREADS - 1}
    assert {body["code"] for status, body in answers if status == 429} == {"quota_exceeded"}
    assert reserved_today(alice) == (1, 10)


def test_of_a_thousand_three_hundred_find_room(alice: User, bob: User) -> None:
    quotas.set_quota(user_id=alice.pk, period=Period.DAILY, request_limit=300)
    answers = at_once([partial(reserves, alice)] * 1_000 + [partial(reserves, bob)] * 8, threads=THREADS)
    assert Counter(answers) == {"made": 308, "requests": 700}
    assert reserved_today(alice) == (300, 0)
    assert reserved_today(bob) == (8, 0)


def test_tokens_are_reserved_as_exactly(alice: User) -> None:
    answers = at_once([partial(reserves, alice, 7_000)] * 64, threads=THREADS)
    assert Counter(answers) == {"made": 14, "tokens": 50}
    assert reserved_today(alice) == (14, 98_000)


def test_a_reservation_ends_once_however_many_end_it(alice: User) -> None:
    """Half settle it with the same figures, half release it: it is counted once, and free again."""
    made = metering.reserve(user_id=alice.pk, provider="acme", model="one", tokens=500)

    def settles() -> str:
        record = metering.settle(
            user_id=alice.pk,
            reservation_id=made.id,
            provider="acme",
            model="one",
            tokens=metering.Tokens(70),
            digest="d",
        )
        return f"settled {record['requestCount']} {record['totalTokens']}"

    def releases() -> str:
        try:
            metering.release(user_id=alice.pk, reservation_id=made.id)
        except metering.ReservationClosedError:
            return "closed"
        return "released"

    answers = Counter(at_once([settles, releases] * 16, threads=THREADS))
    assert answers["settled 1 70"] == 16
    assert answers["released"] + answers["closed"] == 16
    assert reserved_today(alice) == (0, 0)
    assert quotas.quotas_of(user_id=alice.pk)[0].used_tokens == 70


def test_without_the_lock_they_would_pass_the_limit(alice: User) -> None:
    """That the tests above can fail: looking first and taking later admits more than there is room for."""
    use_all_but_one(alice)

    def looks_then_takes() -> bool:
        with tenant(alice.pk):
            room = not metering.refusals_of(user_id=alice.pk, provider="acme", model="one")
        if room:
            metering.record_usage(user_id=alice.pk, provider="acme", model="one")
        return room

    assert sum(at_once([looks_then_takes] * THREADS, threads=THREADS)) > 1
