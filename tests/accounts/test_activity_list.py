"""The audit trail on the security page and on its own."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts import audit
from accounts.activity import SENTENCES
from accounts.models import AuditEvent, User
from accounts.security_views import ACTIVITY_ON_A_PAGE
from wavelength.tenancy import tenant

ROOT = Path(__file__).parent.parent.parent
RECORDED = re.compile(r"record(?:_for)?\(\s*[^,]+,\s*\"([a-z]+\.[a-z_]+)\"")
PAGE = "accounts:activity-list"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def sentences(page: str) -> list[str]:
    return re.findall(r'<bdi class="soft">(n\d+)</bdi>', page)


def add(person: User, number: int) -> None:
    # In one statement, so at one moment: only the id tells them apart.
    with tenant(person.pk):
        AuditEvent.objects.bulk_create(
            AuditEvent(user=person, kind="key.deleted", details={"name": f"n{n}"}, at=MOMENT) for n in range(number)
        )


def test_it_works(alice: User, as_alice: Client) -> None:
    with tenant(alice.pk):
        audit.record(alice.pk, "key.added", provider="xai", key="0191")
    page = as_alice.get(reverse("accounts:security")).content.decode()

    assert page.index("Provider key added") < page.index("Account created")
    assert "xAI" in page
    assert "0191" not in page


def test_it_says_from_where(alice: User, as_alice: Client) -> None:
    as_alice.post(
        "/accounts/reauthenticate/",
        {"password": "wrong"},
        HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        REMOTE_ADDR="192.0.2.7",
    )
    page = as_alice.get(reverse(PAGE)).content.decode()

    assert "Failed to confirm that it is you" in page
    assert "Firefox on Linux" in page
    assert "192.0.2.7" in page


def test_older_events_are_shown_too(alice: User, as_alice: Client) -> None:
    with tenant(alice.pk):
        AuditEvent.objects.create(user=alice, kind="session.started", details={"ip": "198.51.100.4"})

    assert "198.51.100.4" in as_alice.get(reverse(PAGE)).content.decode()


def test_pages_follow_each_other_without_gap_or_repeat(alice: User, as_alice: Client) -> None:
    add(alice, 2 * ACTIVITY_ON_A_PAGE + 3)
    address, found = reverse(PAGE), []
    for _ in range(4):
        page = as_alice.get(address).content.decode()
        found += sentences(page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        if older is None:
            break
        address = older[1]

    assert sorted(found) == sorted(f"n{n}" for n in range(2 * ACTIVITY_ON_A_PAGE + 3))


def test_another_owners_events_are_not_shown(alice: User, as_bob: Client) -> None:
    with tenant(alice.pk):
        audit.record(alice.pk, "key.deleted", provider="openai")
    for name in ("accounts:security", PAGE):
        assert b"Provider key deleted" not in as_bob.get(reverse(name)).content


def test_it_only_shows(as_alice: Client) -> None:
    assert as_alice.post(reverse(PAGE)).status_code == 405


def test_signed_out_it_asks_to_sign_in(anonymous: Client, db: None) -> None:
    assert anonymous.get(reverse(PAGE))["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("cursor", ["x", "1.x", "9" * 40 + ".0", "-1." + "0" * 32, "%00"])
def test_a_made_up_cursor_is_no_fault(cursor: str, as_alice: Client) -> None:
    assert as_alice.get(reverse(PAGE), {"before": cursor}).status_code == 200


def test_it_costs_the_same_whatever_happened(
    alice: User, as_alice: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    add(alice, 100)
    with django_assert_max_num_queries(4):
        as_alice.get(reverse(PAGE))


def test_every_kind_that_is_recorded_has_a_sentence() -> None:
    files = [path for app in ("accounts", "apikeys", "chats", "usage") for path in (ROOT / app).rglob("*.py")]
    kinds = {kind for path in files for kind in RECORDED.findall(path.read_text())}

    assert {"account.created", "key.added", "budget.set"} <= kinds, "the search finds nothing"
    assert kinds - set(SENTENCES) == set()
