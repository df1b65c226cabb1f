"""The privacy page, and deactivating from it."""

from datetime import UTC, datetime

import pytest
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Session, User
from accounts.privacy import Archive, Erasure, Stage
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
PAGE = "accounts:privacy"
LEAVE = "accounts:deactivation"
MOMENT = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def confirm(client: Client) -> None:
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def test_it_works(as_alice: Client, settings: Settings) -> None:
    settings.DEACTIVATED_RETENTION_DAYS = 17
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert "17 days to bring it back" in page
    assert "A deleted chat" in page


def test_both_can_be_asked_for(as_alice: Client) -> None:
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert "cannot be asked for here yet" not in page
    assert reverse("accounts:archive") in page
    assert reverse("accounts:erasure") in page
    assert reverse("accounts:archive-file") not in page


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (Archive(Stage.NONE), "in one ZIP file"),
        (Archive(Stage.MAKING, asked_at=MOMENT), "being made since"),
        (Archive(Stage.READY, expires_at=MOMENT, size=2 * 1024 * 1024), "2.0\xa0MB"),
        (Archive(Stage.FAILED), "could not be made"),
    ],
)
def test_an_archive_has_its_stages(archive: Archive, words: str) -> None:
    assert words in render_to_string("accounts/_archive.html", {"archive": archive})


@pytest.mark.parametrize(
    ("erasure", "words"),
    [
        (Erasure(Stage.NONE), "nobody can bring it back"),
        (Erasure(Stage.ASKED, asked_at=MOMENT, happens_at=MOMENT), "until then you can call it off"),
    ],
)
def test_an_erasure_has_its_stages(erasure: Erasure, words: str) -> None:
    assert words in render_to_string("accounts/_erasure.html", {"erasure": erasure})


def test_an_account_is_deactivated(
    alice: User, as_alice: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    confirm(as_alice)
    with django_capture_on_commit_callbacks(execute=True):
        response = as_alice.post(reverse(LEAVE), {"email": "Alice@example.com"}, follow=True)

    assert "Your account is deactivated." in response.content.decode()
    alice.refresh_from_db()
    assert not alice.is_active
    assert not Session.objects.filter(user=alice).exists()
    assert [letter.to for letter in mail.outbox if "/reactivate/" in str(letter.body)] == [["alice@example.com"]]


@pytest.mark.parametrize("typed", ["", "bob@example.com", "alice"])
def test_another_address_changes_nothing(typed: str, alice: User, bob: User, as_alice: Client) -> None:
    confirm(as_alice)
    response = as_alice.post(reverse(LEAVE), {"email": typed})

    assert b"errorlist" in response.content
    assert set(User.objects.values_list("is_active", flat=True)) == {True}


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_asks_who_one_is_first(method: str, alice: User, as_alice: Client) -> None:
    response = getattr(as_alice, method)(reverse(LEAVE), {"email": alice.email})

    assert response["Location"].startswith("/accounts/reauthenticate/?next=")
    alice.refresh_from_db()
    assert alice.is_active


def test_the_page_only_shows(as_alice: Client) -> None:
    assert as_alice.post(reverse(PAGE)).status_code == 405


@pytest.mark.parametrize("name", [PAGE, LEAVE])
def test_signed_out_it_asks_to_sign_in(name: str, anonymous: Client) -> None:
    assert anonymous.get(reverse(name))["Location"].startswith("/accounts/login/")


def test_it_asks_the_database_nothing_more(as_alice: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    as_alice.get(reverse(PAGE))
    with django_assert_num_queries(5):
        as_alice.get(reverse(PAGE))
