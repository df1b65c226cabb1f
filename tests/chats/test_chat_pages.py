"""The chats pages without a browser: paging, searching, importing a file."""

import json
import tempfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chats.models import Chat, Source
from chats.sync import take_over
from tests.conftest import signed_in
from wavelength.tenancy import tenant

SAMPLES = Path(__file__).parent.parent / "samples"
DATES = ("createdAt", "updatedAt")
HTMX = {"HX-Request": "true"}

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def full(alice: User) -> Client:
    take_over(user_id=alice.pk, body=(SAMPLES / "rich.json").read_bytes(), source=Source.DEMO)
    return signed_in(alice)


def test_pages_show_every_chat_once(full: Client, alice: User) -> None:
    seen: list[str] = []
    address: str | None = reverse("chats:chat-list")
    while address:
        response = full.get(address)
        seen += [str(found.chat.pk) for found in response.context["listing"].rows]
        address = response.context["next_page"]

    with tenant(alice.pk):
        every = [str(pk) for pk in Chat.objects.present().newest_first().values_list("pk", flat=True)]
    assert seen == every


def test_a_broken_cursor_leads_to_the_first_page(full: Client) -> None:
    for name in ("after", "before"):
        response = full.get(reverse("chats:chat-list"), {name: "broken", "sort": "cost", "q": "a b"})

        assert response.status_code == 302
        assert response["Location"] == reverse("chats:chat-list") + "?sort=cost&q=a+b"


def test_a_search_finds_and_marks(full: Client) -> None:
    response = full.get(reverse("chats:chat-list"), {"q": "postgresql"}, headers=HTMX)

    page = response.content.decode()
    assert "<html" not in page
    assert "<mark>PostgreSQL</mark>" in page
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize("query", ["\0", "'", "<b>", "a" * 300, "\u202e", '"', "-", "zzzz"])
def test_any_search_is_answered(query: str, full: Client) -> None:
    assert full.get(reverse("chats:chat-list"), {"q": query}).status_code == 200


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30, "\u0663", "0"])
def test_any_place_in_a_chat_is_answered(after: str, full: Client, alice: User) -> None:
    with tenant(alice.pk):
        chat = Chat.objects.order_by("-message_count")[0]

    assert full.get(reverse("chats:chat-detail", args=[chat.pk]), {"after": after}).status_code == 200


def test_a_long_chat_comes_in_pages(full: Client, alice: User) -> None:
    with tenant(alice.pk):
        chat = Chat.objects.order_by("-message_count")[0]
    seen = 0
    address: str | None = reverse("chats:chat-detail", args=[chat.pk])
    while address:
        context = full.get(address).context
        seen += len(context["messages_shown"])
        address = context["next_page"]

    assert seen == chat.message_count


def test_of_a_very_long_message_the_beginning_is_shown(alice: User, as_alice: Client) -> None:
    message = {"id": "m", "role": "user", "content": "word " * 30_000 + "THE END", "timestamp": "2026-01-05T10:00:00Z"}
    chat = {
        "id": "c",
        "title": "Long",
        "model": "",
        "messages": [message],
        **dict.fromkeys(DATES, message["timestamp"]),
    }
    body = json.dumps({"chats": [chat], "config": {}, "anonymousId": ""}).encode()
    take_over(user_id=alice.pk, body=body, source=Source.MIGRATION)
    with tenant(alice.pk):
        page = as_alice.get(reverse("chats:chat-detail", args=[Chat.objects.get().pk])).content

    assert b"word word" in page
    assert b"THE END" not in page
    assert b"150,007 characters" in page


def test_a_deleted_chat_is_not_found(full: Client, alice: User) -> None:
    with tenant(alice.pk):
        chat = Chat.objects.newest_first()[0]
    full.delete(f"/api/chats/{chat.shown_id}")

    assert full.get(reverse("chats:chat-detail", args=[chat.pk])).status_code == 404


@pytest.mark.parametrize("name", ["small.json", "rich.json"])
def test_a_file_is_taken_without_touching_the_disk(
    name: str, alice: User, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_disk(*_: object, **__: object) -> None:
        raise AssertionError("A file with keys in it went to the disk.")

    monkeypatch.setattr("django.core.files.uploadedfile.tempfile.NamedTemporaryFile", on_disk)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", on_disk)
    # Larger than what Django itself keeps in memory.
    body = (SAMPLES / name).read_bytes() + b" " * 3 * 1024 * 1024
    response = as_alice.post(reverse("chats:import"), {"file": SimpleUploadedFile(name, body)})

    assert b'data-report-title="complete">Everything arrived' in response.content
    with tenant(alice.pk):
        assert Chat.objects.count() > 0


def test_a_hostile_file_is_reported_by_name(as_alice: Client) -> None:
    file = SimpleUploadedFile("hostile.json", (SAMPLES / "hostile.json").read_bytes())
    response = as_alice.post(reverse("chats:import"), {"file": file})

    report = response.context["report"]
    assert report["state"] == "partial"
    assert report["migrated_chats"] > 0
    assert len(report["errors"]) > 0
    assert b"<script>" not in response.content.replace(b"<script type", b"").replace(b"<script src", b"")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"chats": 1}', b"\xff\xfe", b"PK\x03\x04"])
def test_what_is_no_store_is_refused(body: bytes, alice: User, as_alice: Client) -> None:
    response = as_alice.post(reverse("chats:import"), {"file": SimpleUploadedFile("x.json", body)})

    assert b"neither a saved Wavelength store nor an export" in response.content
    with tenant(alice.pk):
        assert Chat.objects.count() == 0


def test_no_file_is_said(as_alice: Client) -> None:
    assert b"Choose a file first" in as_alice.post(reverse("chats:import"), {}).content


def test_a_form_of_another_site_is_refused(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in(alice).cookies
    file = SimpleUploadedFile("small.json", (SAMPLES / "small.json").read_bytes())

    assert client.post(reverse("chats:import"), {"file": file}).status_code == 403


def test_too_large_a_file_is_refused_before_it_is_read(as_alice: Client) -> None:
    response = as_alice.post(
        reverse("chats:import"), b"x", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(200 * 2**20)
    )

    assert response.status_code == 413
    assert b"larger than 100 MB" in response.content
