"""Every page of the portal answers, keeps to its query budget, and shows nobody else's."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from apikeys.vault import store_key
from chats.models import Chat, Source
from chats.sync import take_over
from tests.conftest import signed_in
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

SAMPLE = (Path(__file__).parent.parent / "samples" / "rich.json").read_bytes()
PAGES = ["home", "chats:chat-list", "chats:import", "apikeys:key-list", "apikeys:key-create"]
PAGES += ["accounts:profile", "accounts:security"]

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.mark.parametrize("name", PAGES)
def test_it_works_empty_and_full(name: str, alice: User, as_alice: Client) -> None:
    empty = as_alice.get(reverse(name))
    take_over(user_id=alice.pk, body=SAMPLE, source=Source.DEMO)
    full = as_alice.get(reverse(name))

    assert (empty.status_code, full.status_code) == (200, 200)
    assert b'data-theme="auto"' in full.content


@pytest.mark.parametrize("name", PAGES[1:])
def test_nobody_signed_in_is_sent_to_sign_in(name: str, anonymous: Client, db: None) -> None:
    response = anonymous.get(reverse(name))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_the_start_page_welcomes_who_is_not_signed_in(anonymous: Client, db: None) -> None:
    response = anonymous.get("/")

    assert response.status_code == 200
    assert b"Create your account" in response.content
