"""The import pages without a browser: sending, following, the report."""

import json
import tempfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys import vault
from apikeys.models import ApiKey
from chats.models import Chat, Handover, Source
from chats.sync import take_over
from tests.browser.conftest import SAMPLES
from tests.chats.payloads import chat, message, payload
from tests.conftest import signed_in
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

HTMX = {"HX-Request": "true"}
IMPORT = reverse("chats:import")


def send(client: Client, body: bytes, reference: UUID | None = None) -> Any:
    """As the page does it with script."""
    url = f"{IMPORT}?reference={reference or uuid4()}"
    return client.post(url, body, content_type="application/json")


def upload(client: Client, name: str) -> Any:
    """As the form does it without."""
    file = SimpleUploadedFile(name, (SAMPLES / name).read_bytes())
    return client.post(IMPORT, {"file": file}, follow=True)


def started(person: User, **fields: Any) -> Handover:
    """A hand-over that is not over."""
    with tenant(person.pk):
        return Handover.objects.create(
            user_id=person.pk,
            reference=uuid4(),
            source=Source.MIGRATION,
            payload_bytes=9,
            received_chats=12,
            received_messages=40,
            rejected_chats=2,
            **fields,
        )


def at(handover: Handover) -> str:
    return reverse("chats:import-detail", args=[handover.reference])


def test_it_works(alice: User, as_alice: Client) -> None:
    reference = uuid4()
    response = send(as_alice, (SAMPLES / "small.json").read_bytes(), reference)

    assert response.json() == {"url": reverse("chats:import-detail", args=[reference])}
    report = as_alice.get(response.json()["url"]).content.decode()
    assert "Everything arrived" in report
    with tenant(alice.pk):
        chats, keys = Chat.objects.count(), ApiKey.objects.count()
    assert chats > 0
    assert f'data-report="chats">{chats}<' in report
    assert f'data-report="keys">{keys}<' in report


def test_sending_it_again_under_the_same_name_does_nothing(alice: User, as_alice: Client) -> None:
    reference, body = uuid4(), json.dumps(payload(chat("c1", message("m1")))).encode()
    first = send(as_alice, body, reference)

    again = send(as_alice, json.dumps(payload(chat("c2", message("m1")))).encode(), reference)

    assert (again.status_code, again.json()) == (200, first.json())
    with tenant(alice.pk):
        assert (Handover.objects.count(), Chat.objects.count()) == (1, 1)


def test_two_people_may_choose_the_same_name(as_alice: Client, as_bob: Client) -> None:
    reference, body = uuid4(), json.dumps(payload(chat("c1", message("m1")))).encode()

    for client in (as_alice, as_bob):
        page = client.get(send(client, body, reference).json()["url"]).content.decode()
        assert 'data-report="chats">1<' in page


def test_a_file_is_taken_by_a_form_and_nothing_of_it_touches_a_disk(
    alice: User, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_disk(*_: object, **__: object) -> None:
        raise AssertionError("an upload touched a disk")

    monkeypatch.setattr("django.core.files.uploadedfile.tempfile.NamedTemporaryFile", on_disk)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", on_disk)
    # Larger than what Django itself keeps in memory.
    body = (SAMPLES / "small.json").read_bytes() + b" " * 3 * 1024 * 1024
    response = as_alice.post(IMPORT, {"file": SimpleUploadedFile("small.json", body)}, follow=True)

    assert "Everything arrived" in response.content.decode()
    assert response.redirect_chain[0][1] == 302
    with tenant(alice.pk):
        assert Chat.objects.count() > 0


def test_a_hostile_file_is_reported_chat_by_chat(as_alice: Client, alice: User) -> None:
    page = upload(as_alice, "hostile.json").content.decode()

    with tenant(alice.pk):
        handover = Handover.objects.get()
    assert handover.error_count > 0
    assert handover.migrated_chats > 0
    assert page.count("<tr data-fault>") == handover.error_count
    assert "Arrived, except for what is named below" in page
    assert "<script>" not in page.replace("<script type", "").replace("<script src", "")


def test_a_fault_says_where_it_is_and_what_to_do(as_alice: Client) -> None:
    bad = chat("c1", message("m1"), message("m2", role="wizard"), title="Trip <b>")
    config = {"providers": {"openai": {"apiKey": "with spaces in it"}, "unheard-of": {"apiKey": "sk-0123456789"}}}
    page = as_alice.get(send(as_alice, json.dumps(payload(bad, config=config)).encode()).json()["url"])

    faults = page.context["faults"]
    assert [(fault.name, fault.where, fault.reason) for fault in faults[:1]] == [
        ("Chat 1 “Trip <b>” (c1)", "message 2, role", "Is not one of assistant, system, tool, user.")
    ]
    assert [(fault.name, fault.provider) for fault in faults[1:]] == [
        ("Key for OpenAI", "openai"),
        ("Key for unheard-of", ""),
    ]
    text = page.content.decode()
    assert 'href="/keys/new/?provider=openai"' in text
    assert "send it again" in text
    assert "Trip &lt;b&gt;" in text


def test_a_key_that_was_deleted_here_is_named(alice: User, as_alice: Client) -> None:
    secret = "xai-" + "2d" * 20
    key = vault.store_key(user_id=alice.pk, provider="xai", secret=Secret(secret))
    vault.delete_key(user_id=alice.pk, key_id=key.pk)
    sent = payload(chat("c1", message("m1")), config={"providers": {"xai": {"apiKey": secret}}})

    page = as_alice.get(send(as_alice, json.dumps(sent).encode()).json()["url"]).content.decode()

    assert "Keys that were deleted here before stayed away: xAI." in page
    assert secret not in page


def test_chats_that_changed_are_told_apart_from_those_that_did_not(as_alice: Client) -> None:
    one, two = chat("c1", message("m1")), chat("c2", message("m1"))
    send(as_alice, json.dumps(payload(one, two)).encode())
    newer = payload(one | {"updatedAt": "2025-05-05T10:00:00.000Z", "title": "New"}, two)

    page = as_alice.get(send(as_alice, json.dumps(newer).encode()).json()["url"]).content.decode()

    assert ('data-report="updated">1<' in page, 'data-report="skipped">1<' in page) == (True, True)
    assert "Everything arrived" in page


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_progress_is_what_was_committed(headers: dict[str, str], alice: User, as_alice: Client) -> None:
    handover = started(alice, done_chats=4)

    page = as_alice.get(at(handover), headers=headers).content.decode()

    assert "Your import is under way" in page
    assert '<progress id="done" max="10" value="4">4 of 10</progress>' in page
    assert (f'hx-get="{at(handover)}" hx-trigger="every 1s"' in page, "<html" in page) == (True, not headers)
    assert "Your import is under way" in as_alice.get(IMPORT).content.decode()


def test_what_has_not_moved_has_stopped_and_says_what_to_do(alice: User, as_alice: Client) -> None:
    handover = started(alice, done_chats=4, moved_at=timezone.now() - timedelta(minutes=5))

    for url in (at(handover), IMPORT):
        page = as_alice.get(url).content.decode()
        assert "This import has stopped" in page
        assert "4 of 10" in page
        assert "nothing is stored twice" in page
        assert "hx-trigger" not in page


def test_an_older_one_that_stopped_is_not_on_top_of_one_that_ended(alice: User, as_alice: Client) -> None:
    started(alice, moved_at=timezone.now() - timedelta(minutes=5))
    send(as_alice, json.dumps(payload(chat("c1", message("m1")))).encode())

    page = as_alice.get(IMPORT).content.decode()

    assert "This import has stopped" not in page
    assert page.count('class="row-link import-row"') == 2


def test_progress_moves_with_each_part(alice: User) -> None:
    seen = []

    def look(done: int, _: int) -> None:
        with tenant(alice.pk):
            handover = Handover.objects.get()
            seen.append((done, handover.done_chats, handover.state))

    chats = [chat(f"c{n}", *(message(f"m{m}") for m in range(10))) for n in range(6)]
    bad = chat("bad", message("m", role="wizard"))
    body = json.dumps(payload(bad, *chats)).encode()
    take_over(user_id=alice.pk, body=body, source=Source.MIGRATION, chunk_messages=20, on_progress=look)

    assert seen == [(20, 2, "under way"), (40, 4, "under way"), (60, 6, "under way")]
    with tenant(alice.pk):
        handover = Handover.objects.get()
    assert (handover.to_take, handover.done_chats, handover.rejected_chats, handover.state) == (6, 6, 1, "partial")


def test_another_persons_is_not_found(alice: User, as_bob: Client) -> None:
    handover = started(alice)

    for headers, status in (({}, 404), (HTMX, 204)):
        theirs, nobodys = (
            as_bob.get(url, headers=headers) for url in (at(handover), reverse("chats:import-detail", args=[uuid4()]))
        )
        assert (theirs.status_code, nobodys.status_code, theirs.content == b"") == (status, status, status == 204)
    assert "under way" not in as_bob.get(IMPORT).content.decode()


def test_it_is_only_looked_at(alice: User, as_alice: Client) -> None:
    assert as_alice.post(at(started(alice))).status_code == 405


@pytest.mark.parametrize("way", ["raw", "form"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"chats": 1}', b"\xff\xfe", b"PK\x03\x04"])
def test_what_is_no_store_is_refused(body: bytes, way: str, alice: User, as_alice: Client) -> None:
    if way == "raw":
        response = send(as_alice, body)
        said = response.json()["problem"]
    else:
        response = as_alice.post(IMPORT, {"file": SimpleUploadedFile("x.json", body)})
        said = response.content.decode()

    assert response.status_code == (400 if way == "raw" else 200)
    assert "neither a saved Wavelength store nor an export" in said
    with tenant(alice.pk):
        assert (Chat.objects.count(), Handover.objects.count()) == (0, 0)


def test_no_file_is_said(as_alice: Client) -> None:
    assert b"Choose a file first" in as_alice.post(IMPORT, {}).content


@pytest.mark.parametrize("way", ["raw", "form"])
def test_a_request_of_another_site_is_refused(way: str, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in(alice).cookies
    body = (SAMPLES / "small.json").read_bytes()
    response = send(client, body) if way == "raw" else client.post(IMPORT, {"file": SimpleUploadedFile("x", body)})

    assert response.status_code == 403
    with tenant(alice.pk):
        assert Chat.objects.count() == 0


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
def test_too_much_is_refused_before_it_is_read(kind: str, as_alice: Client) -> None:
    response = as_alice.post(IMPORT, b"x", content_type=kind, CONTENT_LENGTH=str(200 * 2**20))

    assert response.status_code == 413
    assert "Split it" in response.content.decode()


def test_the_pages_ask_as_often_whatever_was_imported(
    as_alice: Client, alice: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(8):
        send(as_alice, json.dumps(payload(chat(f"c{number}", message("m1"), message("m2", role="x")))).encode())
    with tenant(alice.pk):
        handover = Handover.objects.latest_first()[0]

    for url in (IMPORT, at(handover)):
        with django_assert_max_num_queries(5):
            assert as_alice.get(url).status_code == 200
