"""Every page of the portal: it answers, keeps to its query budget, shows nobody else's, and errors are pages too."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
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
from chats.sharing import share_chat
from chats.sync import take_over
from tests.conftest import signed_in
from usage import quotas
from usage.metering import BatchRecord, Tokens, record_batch
from usage.models import Period
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

SAMPLE = (Path(__file__).parent.parent / "samples" / "rich.json").read_bytes()
PAGES = ["home", "chats:chat-list", "chats:import", "apikeys:key-list", "apikeys:key-create"]
PAGES += ["accounts:profile", "accounts:security", "usage:report"]
KEY_PAGES = ["key-edit", "key-replace", "key-deletion", "key-activation", "key-validation"]
# What the page itself asks and what asks who is asking, BEGIN and SET LOCAL included.
BUDGET = {"home": 12, "chats:chat-list": 6, "apikeys:key-list": 6, "accounts:profile": 6, "accounts:security": 12}
BUDGET |= {"usage:report": 8, "chats:link-list": 6, "chats:deleted": 6, "chats:import": 6, "accounts:privacy": 8}
BUDGET |= {"accounts:activity-list": 6}
BUDGET_PATHS = {"usage:report": "?period=all", "chats:chat-list": "?q=chat"}
NOW = datetime.now(UTC)

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


@pytest.fixture
def busy(full: User) -> User:
    """Alice after years: many chats, keys, models, budgets, limits, shared links and advice."""
    number = 40
    chats = json.loads(SAMPLE)["state"]["chats"]
    copies = [chat | {"id": f"{chat['id']}-{copy}"} for chat in chats for copy in range(4)]
    take_over(user_id=full.pk, body=json.dumps({"chats": copies, "config": {}}).encode(), source=Source.DEMO)
    for name in range(number):
        secret = Secret(f"sk-proj-{name:020d}")
        store_key(user_id=full.pk, provider="openai", secret=secret, key_name=str(name), daily_limit=name + 1)
    records = [
        BatchRecord(provider, f"model-{model}", Tokens(1, 2), cost=Decimal(1), happened_at=NOW - timedelta(days=days))
        for provider in ("openai", "xai", "google")
        for model in range(number)
        for days in (0, 20, 50, 400)
    ]
    record_batch(user_id=full.pk, records=records)
    for provider in ("openai", "xai", "google"):
        quotas.set_quota(user_id=full.pk, period=Period.DAILY, provider=provider, request_limit=number)
        quotas.set_budget(user_id=full.pk, period=Period.MONTHLY, provider=provider, tokens=1000)
    with tenant(full.pk):
        assert Chat.objects.count() > 100
        found = list(Chat.objects.all()[:number])
        ApiKey.objects.filter(key_name__startswith="1").update(is_valid=False, validation_error="Refused.")
    for chat in found:
        share_chat(user_id=full.pk, chat_id=chat.pk, days=7, with_reasoning=False)
    return full


@pytest.mark.parametrize("data", ["alice", "full", "busy"])
def test_a_page_keeps_to_its_query_budget(data: str, request: pytest.FixtureRequest) -> None:
    """Whatever the data: nothing at all, some, or much."""
    client = signed_in(request.getfixturevalue(data))
    over = {}
    for name, budget in BUDGET.items():
        path = BUDGET_PATHS.get(name, "")
        client.get(reverse(name) + path)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(reverse(name) + path).status_code == 200
        if len(counted := _counted(asked)) > budget:
            over[name] = counted
    assert over == {}


def _counted(asked: CaptureQueriesContext) -> list[str]:
    own = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return [query["sql"] for query in asked if not query["sql"].startswith(own)]


@pytest.mark.parametrize("data", ["full", "busy"])
def test_one_chat_keeps_to_its_query_budget(data: str, request: pytest.FixtureRequest) -> None:
    person = request.getfixturevalue(data)
    client = signed_in(person)
    with tenant(person.pk):
        chat = Chat.objects.order_by("-message_count")[0]
    client.get(reverse("chats:chat-detail", args=[chat.pk]))
    with CaptureQueriesContext(connection) as asked:
        client.get(reverse("chats:chat-detail", args=[chat.pk]))

    assert len(_counted(asked)) <= 6, _counted(asked)


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
