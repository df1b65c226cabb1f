"""A browser's anonymous id on its way into an account: carried through signing up, claimed once, proving nothing."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.arrivals import claim
from accounts.models import AnonymousSession, User
from chats.models import Source
from chats.sync import take_over
from tests.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

ARRIVAL = "/arrival/"


def sign_up(client: Client, email: str) -> str:
    """Returns the address of the link in the mail."""
    client.post(reverse("account_signup"), {"email": email, "password1": "a long enough password"})
    found = re.search(r"http://testserver(/\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def owner_of(anonymous_id: str) -> str | None:
    known = AnonymousSession.objects.filter(anonymous_id=anonymous_id).select_related("claimed_by").first()
    return known.claimed_by.email if known and known.claimed_by else None


def sign_in(client: Client, person: User) -> str:
    answer = client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return str(answer["Location"])


def test_it_is_carried_through_sign_up_and_verification(anonymous: Client) -> None:
    first = anonymous.get("/?anonymous_id=browser-1")
    link = sign_up(anonymous, "new@example.com")
    before = owner_of("browser-1")
    anonymous.post(link)

    assert (first.status_code, first["Location"]) == (302, "/")
    assert before is None
    assert owner_of("browser-1") == "new@example.com"


def test_who_confirms_elsewhere_claims_when_they_sign_in_here(anonymous: Client) -> None:
    anonymous.post(ARRIVAL, {"anonymous_id": "browser-1", "chats": "3"})
    link = sign_up(anonymous, "new@example.com")
    Client().post(link)
    assert owner_of("browser-1") is None
    anonymous.post(reverse("account_login"), {"login": "new@example.com", "password": "a long enough password"})

    assert owner_of("browser-1") == "new@example.com"


def test_chats_in_the_browser_lead_to_the_import_page_once(alice: User, anonymous: Client) -> None:
    said = anonymous.post(ARRIVAL, {"anonymous_id": "browser-1", "chats": "3"})
    where = sign_in(anonymous, alice)
    first, second = anonymous.get(where), anonymous.get(where)

    assert said.status_code == 204
    assert (first.status_code, first["Location"]) == (302, reverse("chats:import"))
    assert second.status_code == 200


def test_an_id_without_chats_leads_to_the_overview(alice: User, anonymous: Client) -> None:
    anonymous.get("/?anonymous_id=browser-1")
    assert anonymous.get(sign_in(anonymous, alice)).status_code == 200
    assert owner_of("browser-1") == alice.email


def test_who_brought_chats_before_is_not_led_there_again(alice: User, anonymous: Client) -> None:
    take_over(user_id=alice.pk, body=b'{"chats": [], "config": {}, "anonymousId": "old"}', source=Source.MIGRATION)
    anonymous.post(ARRIVAL, {"anonymous_id": "browser-1", "chats": "3"})
    assert anonymous.get(sign_in(anonymous, alice)).status_code == 200


def test_a_second_claimant_changes_nothing(alice: User, bob: User) -> None:
    for person in (alice, bob):
        client = Client()
        client.get("/?anonymous_id=browser-1")
        sign_in(client, person)

    assert owner_of("browser-1") == alice.email
    assert AnonymousSession.objects.count() == 1


def test_the_handover_afterwards_keeps_the_claim(alice: User, bob: User) -> None:
    body = b'{"chats": [], "config": {}, "anonymousId": "browser-1"}'
    assert claim(anonymous_id="browser-1", user_id=alice.pk) is True
    at = AnonymousSession.objects.get().claimed_at
    for person in (alice, bob):
        take_over(user_id=person.pk, body=body, source=Source.MIGRATION)

    known = AnonymousSession.objects.get()
    assert (known.claimed_by_id, known.claimed_at) == (alice.pk, at)


def test_of_many_at_once_one_wins(alice: User, bob: User) -> None:
    def try_it(person: User) -> bool:
        try:
            return claim(anonymous_id="browser-1", user_id=person.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(try_it, [alice, bob] * 8))
    assert won.count(True) == 1


def test_it_is_a_post_with_a_token_and_bad_input_is_refused(anonymous: Client) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert anonymous.get(ARRIVAL).status_code == 405
    assert strict.post(ARRIVAL, {"anonymous_id": "x"}).status_code == 403
    assert anonymous.post(ARRIVAL, {"anonymous_id": "x" * 201}).status_code == 400
    assert anonymous.post(ARRIVAL, {"anonymous_id": "x", "chats": "-1"}).status_code == 400
    assert anonymous.post(ARRIVAL, {"anonymous_id": "x", "chats": "many"}).status_code == 400
    assert "arrival" not in anonymous.session


@pytest.mark.parametrize("bad", ["", "x" * 201, "a%00b"])
def test_an_address_with_what_is_no_id_carries_nothing(bad: str, anonymous: Client) -> None:
    response = anonymous.get(f"/?anonymous_id={bad}")

    assert response["Location"] == "/"
    assert "arrival" not in anonymous.session


def test_who_is_signed_in_carries_nothing(alice: User) -> None:
    client = signed_in(alice)
    assert client.post(ARRIVAL, {"anonymous_id": "browser-1", "chats": "3"}).status_code == 204
    assert client.get("/?anonymous_id=browser-1").status_code == 200
    assert owner_of("browser-1") is None
