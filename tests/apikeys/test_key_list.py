"""GET /api/profile/api-keys"""

from collections.abc import Callable
from typing import Any

from django.test import Client

from apikeys.models import ApiKey
from tests.apikeys.conftest import KEYS_URL, call


def test_it_works(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    first, second = add("openai"), add("xai")

    status, answer = call(as_alice, "get", KEYS_URL)

    assert status == 200
    assert [key["id"] for key in answer["data"]] == [str(second.pk), str(first.pk)]


def test_another_person_sees_none_of_them(as_bob: Client, add: Callable[..., ApiKey]) -> None:
    add()

    assert call(as_bob, "get", KEYS_URL) == (200, {"success": True, "data": []})


def test_signed_out_is_refused(anonymous: Client, db: None) -> None:
    assert call(anonymous, "get", KEYS_URL)[0] == 401


def test_another_method_is_refused(as_alice: Client) -> None:
    status, answer = call(as_alice, "delete", KEYS_URL)

    assert (status, answer["success"]) == (405, False)


def test_queries_do_not_grow_with_keys(
    as_alice: Client, add: Callable[..., ApiKey], django_assert_num_queries: Any
) -> None:
    def queries() -> int:
        with django_assert_num_queries(4, exact=False) as counted:
            call(as_alice, "get", KEYS_URL)
        return len(counted)

    add("openai")
    # The first call takes a lease of what the limits allow (docs/decisions/limits-are-leased.md).
    call(as_alice, "get", KEYS_URL)
    one = queries()
    add("xai")
    add("google")

    assert queries() == one
