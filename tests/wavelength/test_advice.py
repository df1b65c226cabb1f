"""Advice on the overview: read, dismissed and taken back, with htmx and without."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from chats.models import Source
from chats.sync import take_over
from tests.conftest import signed_in
from tests.wavelength.test_pages import SAMPLE
from usage import metering, recommendations
from usage.metering import BatchRecord, Tokens
from usage.models import AdviceDismissal, AdviceKind
from wavelength.envelope import Secret
from wavelength.pages import advice_for
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db

DISMISS, RETURN = "/advice/dismissal/", "/advice/return/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def advised(alice: User) -> User:
    """Alice, who could use a cheaper model."""
    record = BatchRecord("openai", "gpt-4o", Tokens(1_000, 2_000), cost=Decimal("0.1"))
    metering.record_batch(user_id=alice.pk, records=[record] * 20)
    return alice


def named(person: User) -> dict[str, str]:
    [advice] = advice_for(person).advice
    return {"kind": advice.kind.value, "subject": advice.subject}


def page(client: Client, url: str = "/") -> str:
    return " ".join(client.get(url).content.decode().split())


def test_it_works(advised: User) -> None:
    shown = page(signed_in(advised))
    assert "With <bdi>gpt-4o-mini</bdi>, the last 30 days of" in shown
    assert "Why am I seeing this?" in shown
    assert "<dt>What they cost</dt><dd>$2</dd>" in shown


def test_a_new_account_has_no_advice(as_alice: Client) -> None:
    shown = page(as_alice)
    assert "Worth knowing" not in shown
    assert "Three steps" in shown


def test_it_is_dismissed_and_taken_back_in_place(advised: User) -> None:
    client, wanted = signed_in(advised), named(advised)
    answer = client.post(DISMISS, wanted, headers=HTMX).content.decode()
    assert answer.lstrip().startswith('<div class="grid-wide" id="advice" data-live-keep>')
    assert "Why am I seeing this?" not in answer
    assert re.search(r"Dismissed until .*<button[^>]* autofocus>Undo", answer, re.DOTALL)
    assert "Worth knowing" not in page(client)

    answer = client.post(RETURN, wanted, headers=HTMX).content.decode()
    assert "Why am I seeing this?" in answer
    assert "Undo" not in answer
    assert "Worth knowing" in page(client)


def test_it_is_dismissed_and_taken_back_without_script(advised: User) -> None:
    client, wanted = signed_in(advised), named(advised)
    response = client.post(DISMISS, wanted)
    assert response.status_code == 302
    where = response["Location"].partition("#")[0]
    assert "Undo" in page(client, where)
    assert "Undo" not in page(client)
    assert client.post(RETURN, wanted)["Location"] == "/#advice"
    assert "Worth knowing" in page(client)


def test_a_dismissal_ends(advised: User) -> None:
    client, wanted = signed_in(advised), named(advised)
    client.post(DISMISS, wanted)
    with tenant(advised.pk):
        dismissal = AdviceDismissal.objects.get()
        assert timedelta(days=29) < dismissal.until - datetime.now(UTC) <= timedelta(days=30)
        AdviceDismissal.objects.update(until=datetime.now(UTC) - timedelta(seconds=1))
    assert "Worth knowing" in page(client)
    client.post(DISMISS, wanted)
    assert "Worth knowing" not in page(client)


def test_what_changed_materially_is_said_again(advised: User) -> None:
    client = signed_in(advised)
    client.post(DISMISS, named(advised))
    record = BatchRecord("openai", "gpt-4.1", Tokens(1_000, 2_000), cost=Decimal("0.1"))
    metering.record_batch(user_id=advised.pk, records=[record] * 20)
    shown = page(client)
    assert "gpt-4.1-mini" in shown
    assert "gpt-4o-mini</bdi>, the" not in shown


def test_another_persons_advice_is_none(advised: User, bob: User) -> None:
    wanted, as_bob = named(advised), signed_in(bob)
    assert as_bob.post(DISMISS, wanted).status_code == 404
    signed_in(advised).post(DISMISS, wanted)
    assert as_bob.post(RETURN, wanted).status_code == 404
    assert "Worth knowing" not in page(signed_in(advised))


@pytest.mark.parametrize("url", [DISMISS, RETURN])
def test_another_method_is_refused(as_alice: Client, url: str) -> None:
    assert as_alice.get(url).status_code == 405


@pytest.mark.parametrize("url", [DISMISS, RETURN])
def test_who_is_not_signed_in_is_sent_to_sign_in(anonymous: Client, url: str) -> None:
    assert anonymous.post(url).status_code == 302


@pytest.mark.parametrize("url", [DISMISS, RETURN])
@pytest.mark.parametrize("body", [{}, {"kind": "cheaper", "subject": "x"}, {"kind": "\0", "subject": "\0"}])
def test_bad_input_dismisses_nothing(advised: User, url: str, body: dict[str, Any]) -> None:
    assert signed_in(advised).post(url, body).status_code == 404
    with tenant(advised.pk):
        assert not AdviceDismissal.objects.exists()
    assert len(advice_for(advised).advice) == 1


def test_what_cannot_wait_comes_first(advised: User) -> None:
    vault.store_key(user_id=advised.pk, provider="openai", secret=Secret("sk-proj-0f3a5b7c9d1e2f4a6b8c"))
    with tenant(advised.pk):
        ApiKey.objects.update(is_valid=False, validation_error="OpenAI does not know this key.")
    assert [each.kind for each in advice_for(advised).advice] == [AdviceKind.KEY_FAILING, AdviceKind.CHEAPER]


def test_the_overview_keeps_to_its_query_budget_whatever_the_data(advised: User) -> None:
    take_over(user_id=advised.pk, body=SAMPLE, source=Source.DEMO)
    records = [BatchRecord("openai", f"made-up-{number}", Tokens(1, 2), cost=Decimal(1)) for number in range(50)]
    metering.record_batch(user_id=advised.pk, records=records)
    with tenant(advised.pk):
        ApiKey.objects.all().delete()
        AdviceDismissal.objects.create(
            user=advised, kind=AdviceKind.DAY, subject="x", until=datetime.now(UTC) + timedelta(days=9)
        )
    client = signed_in(advised)
    client.get("/")
    with CaptureQueriesContext(connection) as asked:
        shown = page(client)
    # First steps, advice with prices and access, dismissals: all of them ask.
    assert "Three steps" not in shown
    assert "Protect your account" in shown
    assert "gpt-4o-mini</bdi>, the" in shown
    of_page = [query["sql"] for query in asked if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "SET LOCAL"))]
    assert len(of_page) <= 12, "\n".join(q[:150] for q in of_page)


def test_dismissals_past_their_time_are_forgotten(advised: User) -> None:
    with tenant(advised.pk):
        AdviceDismissal.objects.create(
            user=advised, kind=AdviceKind.DAY, subject="x", until=datetime.now(UTC) - timedelta(days=1)
        )
    [advice] = advice_for(advised).advice
    recommendations.dismiss(user_id=advised.pk, advice=advice)
    with tenant(advised.pk):
        assert [row.kind for row in AdviceDismissal.objects.all()] == [AdviceKind.CHEAPER]
