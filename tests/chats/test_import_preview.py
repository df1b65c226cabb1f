"""POST /import/preview/: what it foretells is what a hand-over then does, and it stores nothing."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Profile, User
from apikeys import vault
from apikeys.models import ApiKey
from chats.changes import delete_chat
from chats.models import Chat, Handover, Message, Source
from chats.previewing import Preview, preview
from chats.sync import take_over
from tests.browser.conftest import SAMPLES
from tests.chats.payloads import chat, message, payload
from tests.conftest import signed_in
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

XAI, OPENAI = "xai-" + "2d" * 20, "sk-proj-" + "4f" * 20


def raw(client: Client, body: bytes) -> Any:
    return client.post(reverse("chats:import-preview"), body, content_type="application/json")


def foreseen(person: User, **sent: Any) -> Preview:
    return preview(user_id=person.pk, body=json.dumps(sent).encode())


def stored(person: User) -> dict[str, Any]:
    with tenant(person.pk):
        return {
            "chats": list(Chat.objects.order_by("pk").values()),
            "messages": Message.objects.count(),
            "keys": ApiKey.objects.count(),
            "hand-overs": Handover.objects.count(),
            "preferences": Profile.objects.get().preferences,
        }


@pytest.mark.parametrize("name", ["small", "rich", "hostile"])
def test_it_foretells_what_a_hand_over_does(name: str, alice: User) -> None:
    body = (SAMPLES / f"{name}.json").read_bytes()
    before = stored(alice)

    for _ in range(2):
        found = preview(user_id=alice.pk, body=body)
        assert stored(alice) == before
        report = take_over(user_id=alice.pk, body=body, source=Source.MIGRATION, store=True)
        before = stored(alice)

        assert found.new_chats == report.migrated_chats
        assert found.new_messages == report.migrated_messages
        assert found.same_chats + found.deleted_chats == report.skipped_chats
        assert len(found.keys.new) == report.migrated_keys
        assert [fault.sentence() for fault in [*found.faults, *found.keys.refused]] == [
            fault.sentence() for fault in report.faults
        ]
        assert found.warnings == [warning for warning in report.warnings if not warning.startswith("The setting")]
    assert not found.brings_anything


def test_each_chat_is_of_one_kind(alice: User) -> None:
    here = [chat(f"c{n}", message("m1"), message("m2")) for n in range(4)]
    take_over(user_id=alice.pk, body=json.dumps(payload(*here)).encode(), source=Source.MIGRATION)
    delete_chat(user_id=alice.pk, shown_id="c0")
    before = stored(alice)

    found = foreseen(
        alice,
        **payload(
            here[0] | {"messages": [message("m1"), message("m9")]},
            here[1] | {"updatedAt": "2025-05-05T10:00:00.000Z"},
            here[2] | {"messages": [message("m1"), message("m3"), message("m4")]},
            here[3],
            chat("new", message("m1")),
            chat("bad", message("m1", role="wizard")),
            chat("new", message("m1")),
        ),
    )

    kinds = (found.deleted_chats, found.changed_chats, found.same_chats, found.new_chats, found.rejected_chats)
    assert kinds == (1, 2, 1, 1, 2)
    assert found.received_chats == 7
    assert (found.new_messages, found.known_messages) == (3, 5)
    assert stored(alice) == before


def test_a_chat_under_the_id_it_is_shown_with_is_the_same(alice: User) -> None:
    one, two = chat("c", message("m1")), chat("c", message("m1"), createdAt="2025-01-01T10:00:00.000Z")
    take_over(user_id=alice.pk, body=json.dumps(payload(one, two)).encode(), source=Source.MIGRATION)

    found = foreseen(alice, **payload(two, two | {"id": "c~2"}))

    assert (found.same_chats, found.rejected_chats, found.new_chats) == (1, 1, 0)
    assert "stands in the payload twice" in found.faults[0].reason


def test_keys_and_preferences_are_named_and_never_their_content(alice: User, as_alice: Client) -> None:
    gone = vault.store_key(user_id=alice.pk, provider="xai", secret=Secret(XAI))
    vault.delete_key(user_id=alice.pk, key_id=gone.pk)
    vault.store_key(user_id=alice.pk, provider="openai", secret=Secret(OPENAI))
    anthropic, openrouter = "sk-ant-" + "5c" * 20, "sk-or-" + "5c" * 20
    keys = {"xai": XAI, "openai": OPENAI, "anthropic": f" {anthropic}", "google": "with spaces in it"}
    config = {
        "apiKey": openrouter,
        "providers": {name: {"apiKey": secret, "enabled": True} for name, secret in keys.items()},
        "defaultModel": "openai/gpt-4o",
    }

    response = raw(as_alice, json.dumps(payload(config=config)).encode())

    found = response.context["preview"]["found"]
    assert (found.keys.new, found.keys.here, found.keys.deleted) == (["anthropic", "openrouter"], ["openai"], ["xai"])
    assert [fault.subject for fault in found.keys.refused] == ["Key for google"]
    assert found.settings == ["defaultModel", "providers"]
    page = response.content.decode()
    assert not any(secret.strip() in page for secret in [*keys.values(), openrouter])
    assert "Deleted here before" in page
    assert 'data-part="start"' in page
    assert "<html" not in page


def test_it_works_as_a_form(as_alice: Client, alice: User) -> None:
    file = SimpleUploadedFile("small.json", (SAMPLES / "small.json").read_bytes())
    response = as_alice.post(reverse("chats:import-preview"), {"file": file})

    page = response.content.decode()
    assert ("This would come" in page, "choose the file again" in page, "<html" in page) == (True, True, True)
    assert 'data-part="start"' not in page
    assert stored(alice)["hand-overs"] == 0


def test_what_is_here_of_another_person_counts_for_nothing(alice: User, bob: User) -> None:
    body = (SAMPLES / "rich.json").read_bytes()
    take_over(user_id=bob.pk, body=body, source=Source.MIGRATION, store=True)

    found = preview(user_id=alice.pk, body=body)

    assert (found.changed_chats, found.same_chats, found.deleted_chats, found.known_messages) == (0, 0, 0, 0)


@pytest.mark.parametrize("body", [b" ", b"{", b"[]", b'{"chats": 1}', b"\xff\xfe", b"PK\x03\x04"])
def test_what_is_no_store_is_refused_with_a_sentence(body: bytes, as_alice: Client) -> None:
    response = raw(as_alice, body)

    assert response.status_code == 200
    assert "neither a saved Wavelength store nor an export" in response.json()["problem"]


def test_too_much_is_refused_before_it_is_read(as_alice: Client) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x"):
        response = as_alice.post(
            reverse("chats:import-preview"), b"x", content_type=kind, CONTENT_LENGTH=str(200 * 2**20)
        )
        assert response.status_code == 413


def test_it_cannot_be_asked_for_by_another_site_or_by_looking(alice: User, as_alice: Client) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in(alice).cookies

    assert raw(client, b'{"chats": []}').status_code == 403
    assert as_alice.get(reverse("chats:import-preview")).status_code == 405
    assert raw(Client(), b'{"chats": []}').status_code == 302


def test_it_asks_as_often_however_much_there_is(as_alice: Client, django_assert_num_queries: Any) -> None:
    def queries(chats: int) -> int:
        body = json.dumps(payload(*(chat(f"c{n}", message("m1")) for n in range(chats)))).encode()
        with django_assert_num_queries(16, exact=False) as counted:
            raw(as_alice, body)
        return len(counted)

    assert queries(1) == queries(300)
