"""Every page of the portal: it answers, keeps to its query budget, shows nobody else's, and errors are pages too."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.vault import store_key
from chats.models import Chat, Source
from chats.sync import take_over
from tests.conftest import signed_in
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

SAMPLE = (Path(__file__).parent.parent / "samples" / "rich.json").read_bytes()
PAGES = ["home", "chats:chat-list", "chats:import", "apikeys:key-list", "apikeys:key-create"]
PAGES += ["accounts:profile", "accounts:security", "usage:report"]
KEY_PAGES = ["key-edit", "key-replace", "key-deletion", "key-activation", "key-validation"]
# What the page itself asks and what asks who is asking, BEGIN and SET LOCAL included.
BUDGET = {"home": 12, "chats:chat-list": 6, "apikeys:key-list": 6, "accounts:profile": 6, "accounts:security": 12}
BUDGET["usage:report"] = 6

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def full(alice: User) -> User:
    """Alice with chats and a key."""
    take_over(user_id=alice.pk, body=SAMPLE, source=Source.DEMO)
    store_key(user_id=alice.pk, provider="openai", secret=Secret("sk-proj-0f3a5b7c9d1e2f4a6b8c"), key_name="Mine")
    return alice


@pytest.mark.parametrize("name", PAGES)
def test_it_works_empty_and_full(name: str, alice: User, as_alice: Client) -> None:
    empty = as_alice.get(reverse(name))
    take_over(user_id=alice.pk, body=SAMPLE, source=Source.DEMO)
    full = as_alice.get(reverse(name))

    assert (empty.status_code, full.status_code) == (200, 200)
    assert b'data-theme="auto"' in full.content


@pytest.mark.parametrize("name", PAGES[1:])
def test_who_is_not_signed_in_is_sent_to_sign_in(name: str, anonymous: Client) -> None:
    response = anonymous.get(reverse(name))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


def test_the_start_page_welcomes_who_is_not_signed_in(anonymous: Client) -> None:
    response = anonymous.get("/")

    assert response.status_code == 200
    assert b"Create your account" in response.content


def test_another_owner_finds_nothing(full: User, bob: User) -> None:
    as_bob = signed_in(bob)
    with tenant(full.pk):
        chat, key = Chat.objects.first(), ApiKey.objects.get(key_name="Mine")
    assert chat is not None

    assert as_bob.get(reverse("chats:chat-detail", args=[chat.pk])).status_code == 404
    for name in KEY_PAGES:
        post = as_bob.post(reverse(f"apikeys:{name}", args=[key.pk]), {"is_active": "false", "api_key": "x" * 20})
        assert post.status_code == 404, name
    assert b"0 chats" not in as_bob.get("/").content
    with tenant(full.pk):
        unchanged = ApiKey.objects.get(key_name="Mine")
    assert (unchanged.is_active, unchanged.hint) == (True, key.hint)


@pytest.mark.parametrize("name", ["key-activation", "key-validation"])
def test_what_changes_something_is_a_post(name: str, full: User) -> None:
    with tenant(full.pk):
        key = ApiKey.objects.get(key_name="Mine")

    assert signed_in(full).get(reverse(f"apikeys:{name}", args=[key.pk])).status_code == 405


@pytest.mark.parametrize("name", BUDGET)
def test_a_page_keeps_to_its_query_budget(name: str, full: User) -> None:
    client = signed_in(full)
    with CaptureQueriesContext(connection) as asked:
        client.get(reverse(name))

    asked_for = [
        query["sql"] for query in asked if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
    ]
    assert len(asked_for) <= BUDGET[name], asked_for


def test_one_chat_keeps_to_its_query_budget(full: User) -> None:
    client = signed_in(full)
    with tenant(full.pk):
        chat = Chat.objects.order_by("-message_count")[0]
    with CaptureQueriesContext(connection) as asked:
        client.get(reverse("chats:chat-detail", args=[chat.pk]))

    assert len(asked) <= 8, [query["sql"] for query in asked]


@pytest.mark.parametrize(
    ("path", "status"), [("/nothing/", 404), ("/chats/0191b1a0-0000-7000-8000-000000000000/", 404)]
)
def test_an_unknown_address_is_a_page(path: str, status: int, as_alice: Client) -> None:
    response = as_alice.get(path)

    assert response.status_code == status
    assert b"There is nothing at this address" in response.content


def test_a_form_without_its_token_is_refused_by_a_page(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in(alice).cookies

    response = client.post(reverse("accounts:profile"), {"display_name": "Mallory"})

    assert response.status_code == 403
    assert b"This form has expired" in response.content


def test_a_fault_of_ours_is_a_page_without_its_text(full: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("canary-in-a-traceback")

    monkeypatch.setattr("wavelength.pages.overview_of", lambda *_: fail())
    client = signed_in(full)
    client.raise_request_exception = False
    response = client.get("/")

    assert response.status_code == 500
    assert b"Something went wrong on our side" in response.content
    assert b"canary" not in response.content


def test_no_cache_keeps_a_persons_page(as_alice: Client, anonymous: Client) -> None:
    assert "no-store" in as_alice.get("/")["Cache-Control"]
    assert "Cache-Control" not in anonymous.get("/")


def test_moments_are_shown_in_ones_own_time_zone(full: User) -> None:
    client = signed_in(full)
    client.post(
        reverse("accounts:profile-section", args=["region"]), {"timezone": "Pacific/Kiritimati", "theme": "dark"}
    )
    response = client.get(reverse("accounts:profile"))

    assert b'data-theme="dark"' in response.content
    assert b'value="Pacific/Kiritimati"' in response.content
    with tenant(full.pk):
        chat = Chat.objects.newest_first()[0]
    page = client.get(reverse("chats:chat-detail", args=[chat.pk])).content.decode()
    there = date_format(chat.updated_at.astimezone(ZoneInfo("Pacific/Kiritimati")), "DATETIME_FORMAT")
    assert f'datetime="{chat.updated_at:%Y-%m-%dT%H:%M:%SZ}" title="{there}"' in page
    # The next request on this thread is somebody else's.
    assert timezone.get_current_timezone_name() == "UTC"
