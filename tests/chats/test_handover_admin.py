"""Hand-overs in the admin."""

import pytest
from django.db import connections, transaction
from django.db.utils import ProgrammingError
from django.test import Client

from accounts.models import User
from chats.models import Handover
from tests.chats.payloads import chat, hand_over, message, payload
from tests.conftest import administering
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

ADDRESS = "/admin/chats/handover/"


@pytest.fixture
def as_operator(charlie: User) -> Client:
    return administering(charlie)


def test_it_works(as_operator: Client, as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1", message("m1"), title="Secret plans"), chat("bad", title=5)))
    with tenant(alice.pk):
        handover = Handover.objects.get()

    listed = as_operator.get(ADDRESS)
    shown = as_operator.get(f"{ADDRESS}{handover.pk}/change/")

    for page in (listed, shown):
        assert page.status_code == 200
        assert "alice@example.com" in page.content.decode()
        assert "Secret plans" not in page.content.decode()


def test_nothing_can_be_added_changed_or_deleted(as_operator: Client, as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1")))
    with tenant(alice.pk):
        handover = Handover.objects.get()

    assert as_operator.get(f"{ADDRESS}add/").status_code == 403
    assert as_operator.post(f"{ADDRESS}{handover.pk}/change/", {"error_count": 5}).status_code == 403
    assert as_operator.post(f"{ADDRESS}{handover.pk}/delete/", {"post": "yes"}).status_code == 403


def test_only_administrators(as_alice: Client) -> None:
    assert as_alice.get(ADDRESS).status_code != 200


@pytest.mark.parametrize(
    "query",
    [
        "SELECT errors FROM chats_handover",
        "SELECT warnings FROM chats_handover",
        "SELECT preferences FROM chats_handover",
        "SELECT title FROM chats_chat",
        "SELECT content FROM chats_message",
        "SELECT words FROM chats_searchentry",
        "UPDATE chats_handover SET error_count = 0",
        "DELETE FROM chats_handover",
    ],
)
def test_the_database_itself_refuses_the_operator(query: str) -> None:
    refused = pytest.raises(ProgrammingError, match="permission denied")
    with refused, transaction.atomic(using="operator"), connections["operator"].cursor() as cursor:
        cursor.execute(query)
