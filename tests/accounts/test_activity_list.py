"""The audit trail on the security page."""

import re
from pathlib import Path

from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts.activity import SENTENCES
from accounts.models import User
from wavelength.tenancy import tenant

ROOT = Path(__file__).parent.parent.parent
RECORDED = re.compile(r"record(?:_for)?\(\s*[^,]+,\s*\"([a-z]+\.[a-z_]+)\"")


def test_it_works(alice: User, as_alice: Client) -> None:
    with tenant(alice.pk):
        audit.record(alice.pk, "key.added", provider="xai", key="0191")
    page = as_alice.get(reverse("accounts:security")).content.decode()

    assert page.index("Provider key added") < page.index("Account created")
    assert "xAI" in page
    assert "0191" not in page


def test_another_owners_events_are_not_shown(alice: User, as_bob: Client) -> None:
    with tenant(alice.pk):
        audit.record(alice.pk, "key.deleted", provider="openai")

    assert b"Provider key deleted" not in as_bob.get(reverse("accounts:security")).content


def test_every_kind_that_is_recorded_has_a_sentence() -> None:
    files = [path for app in ("accounts", "apikeys", "chats", "wavelength") for path in (ROOT / app).rglob("*.py")]
    kinds = {kind for path in files for kind in RECORDED.findall(path.read_text())}

    assert {"account.created", "key.added"} <= kinds, "the search finds nothing"
    assert kinds - set(SENTENCES) == set()
