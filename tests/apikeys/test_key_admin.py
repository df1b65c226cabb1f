"""Provider keys in the admin: whose and in what state."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.models import User
from apikeys.models import ApiKey
from tests.apikeys.conftest import SECRETS
from tests.conftest import administering
from usage import metering

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"], transaction=True)
URL = "/admin/apikeys/apikey/"


@pytest.fixture
def as_admin(bob: User) -> Client:
    return administering(bob)


def test_it_works(as_admin: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    key = add(key_name="Her own name for it")

    listed = as_admin.get(URL)
    shown = as_admin.get(f"{URL}{key.pk}/change/")

    for page in (listed, shown):
        assert page.status_code == 200
        assert str(key.pk) in page.content.decode()
        assert str(alice.pk) in page.content.decode()
        for hidden in (SECRETS["openai"], key.key_name, f">{key.hint}<"):
            assert hidden not in page.content.decode()


def test_the_last_use_is_that_of_the_metering(as_admin: Client, alice: User, add: Callable[..., ApiKey]) -> None:
    key = add()
    long_ago = datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)
    metering.record_usage(user_id=alice.pk, provider="openai", model="gpt-4o", api_key_id=key.pk, at=long_ago)

    for page in (as_admin.get(URL), as_admin.get(f"{URL}{key.pk}/change/")):
        assert "6 May 2020" in page.content.decode()


def test_who_is_no_administrator_is_refused(as_alice: Client, add: Callable[..., ApiKey]) -> None:
    add()

    assert as_alice.get(URL).status_code in (302, 403)


@pytest.mark.parametrize("action", ["add/", "{pk}/delete/"])
def test_nothing_can_be_changed(as_admin: Client, add: Callable[..., ApiKey], action: str) -> None:
    key = add()

    assert as_admin.post(URL + action.format(pk=key.pk), {"post": "yes"}).status_code == 403
