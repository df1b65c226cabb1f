"""Deleting chats from the pages, one or many, and having them back; downloading what is ticked."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from chats.models import Chat
from tests.chats.payloads import all_chats, chat, message, one_chat, synchronise
from wavelength.tenancy import tenant

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/chats/?q=title&sort=oldest"}


@pytest.fixture
def ids(as_alice: Client, alice: User) -> dict[str, str]:
    """Three chats by the id that a client gave them."""
    texts = {"c1": "First\n\n- a\n- b", "c2": "Second", "c3": "Third"}
    synchronise(
        as_alice,
        *(
            chat(id_, message("m1", content=text), message("m2", role="assistant", content="Yes", reasoning="I\nthink"))
            for id_, text in texts.items()
        ),
    )
    with tenant(alice.pk):
        return {found.shown_id: str(found.pk) for found in Chat.objects.all()}


def delete(client: Client, *chats: str, **form: Any) -> Any:
    return client.post(reverse("chats:deletion"), {"chat": chats, "sure": "yes"} | form)


def restore(client: Client, *chats: str, **form: Any) -> Any:
    return client.post(reverse("chats:restoration"), {"chats": ",".join(chats)} | form)


def test_it_asks_first(as_alice: Client, ids: dict[str, str]) -> None:
    response = as_alice.post(reverse("chats:deletion"), {"chat": [ids["c1"], ids["c2"]], "back": "q=a&sort=cost"})

    page = response.content.decode()
    assert "Delete 2 chats?" in page
    assert page.count('name="chat"') == 2
    assert 'href="/chats/?q=a&amp;sort=cost"' in page
    assert len(all_chats(as_alice)) == 3


def test_many_are_deleted_and_had_back(as_alice: Client, ids: dict[str, str]) -> None:
    before = all_chats(as_alice)

    response = delete(as_alice, ids["c1"], ids["c2"], back="sort=cost")

    assert response["Location"] == reverse("chats:chat-list") + "?sort=cost"
    assert [found["id"] for found in all_chats(as_alice)] == ["c3"]
    page = as_alice.get(response["Location"]).content.decode()
    assert "2 chats are deleted." in page
    assert f'name="chats" value="{ids["c1"]},{ids["c2"]}"' in page
    assert as_alice.get(reverse("chats:chat-detail", args=[ids["c1"]])).status_code == 404
    deleted = as_alice.get(reverse("chats:deleted")).content.decode()
    assert deleted.count('name="chat"') == 2

    assert restore(as_alice, ids["c1"], ids["c2"])["Location"] == reverse("chats:chat-list")
    assert all_chats(as_alice) == before
    assert b"2 chats are back." in as_alice.get(reverse("chats:chat-list")).content


def test_in_place_the_list_comes_back_as_it_was(as_alice: Client, ids: dict[str, str]) -> None:
    asked = as_alice.post(reverse("chats:deletion"), {"chat": [ids["c1"]]}, headers=HTMX)
    assert "<html" not in asked.content.decode()

    response = as_alice.post(reverse("chats:deletion"), {"chat": [ids["c1"]], "sure": "yes"}, headers=HTMX)

    page = response.content.decode()
    assert response["HX-Retarget"] == "#chats"
    assert "dialog:done" in response["HX-Trigger-After-Swap"]
    assert ids["c1"] not in page.partition('id="toasts"')[0]
    assert response.context["form"]["sort"].value() == "oldest"
    back = as_alice.post(reverse("chats:restoration"), {"chats": ids["c1"]}, headers=HTMX)
    assert ids["c1"] in back.content.decode()


def test_from_elsewhere_it_leads_to_the_list(as_alice: Client, ids: dict[str, str]) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/chats/{ids['c1']}/"}
    response = as_alice.post(reverse("chats:deletion"), {"chat": [ids["c1"]], "sure": "yes"}, headers=headers)

    assert response["HX-Redirect"] == reverse("chats:chat-list")
    assert b"The chat is deleted." in as_alice.get(reverse("chats:chat-list")).content


def test_another_owner(as_alice: Client, as_bob: Client, bob: User, ids: dict[str, str]) -> None:
    delete(as_bob, ids["c1"])
    assert len(all_chats(as_alice)) == 3
    delete(as_alice, ids["c1"])
    restore(as_bob, ids["c1"])
    assert len(all_chats(as_alice)) == 2
    assert ids["c1"] not in as_bob.get(reverse("chats:deleted")).content.decode()
    response = as_bob.post(reverse("chats:download"), {"chat": [ids["c2"]]})
    assert json.loads(response.getvalue()) == {"chats": []}
    with tenant(bob.pk):
        assert not AuditEvent.objects.filter(kind="chat.downloaded").exists()


@pytest.mark.parametrize("name", ["deletion", "restoration", "download"])
def test_wrong_method(as_alice: Client, name: str) -> None:
    assert as_alice.get(reverse(f"chats:{name}")).status_code == 405


@pytest.mark.parametrize("chats", [[], ["x"], [""], ["' OR true"], [str(uuid4())], ["\0"]])
def test_bad_input(as_alice: Client, ids: dict[str, str], chats: list[str]) -> None:
    assert delete(as_alice, *chats).status_code == 302
    assert restore(as_alice, *chats).status_code == 302
    assert len(all_chats(as_alice)) == 3


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example/?q=a", "next=https://evil.example", "%0d%0aX: y"]
)
def test_it_leads_back_to_the_list_only(as_alice: Client, ids: dict[str, str], back: str) -> None:
    assert delete(as_alice, ids["c1"], back=back)["Location"].partition("?")[0] == reverse("chats:chat-list")


def test_nobody_else_deletes_by_a_link_or_a_form(alice: User, as_alice: Client, ids: dict[str, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = as_alice.cookies

    assert client.post(reverse("chats:deletion"), {"chat": [ids["c1"]], "sure": "yes"}).status_code == 403
    assert len(all_chats(as_alice)) == 3


def test_one_as_json_holds_all_of_it_and_comes_back_by_the_import(
    as_alice: Client, as_bob: Client, ids: dict[str, str]
) -> None:
    response = as_alice.get(reverse("chats:chat-json", args=[ids["c1"]]))

    assert response["Content-Disposition"] == 'attachment; filename="title-of-c1.json"'
    body = response.getvalue()
    assert json.loads(body)["chats"] == [one_chat(as_alice, "c1")]
    assert as_bob.post("/api/migration", body, content_type="application/json").json()["data"]["migratedMessages"] == 2
    assert one_chat(as_bob, "c1")["messages"] == one_chat(as_alice, "c1")["messages"]


def test_one_as_markdown_holds_its_text_as_it_was_written(as_alice: Client, ids: dict[str, str]) -> None:
    response = as_alice.get(reverse("chats:chat-markdown", args=[ids["c1"]]))

    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    text = response.getvalue().decode()
    assert text.startswith("# Title of c1\n\nopenai/gpt-4o, 2025-02-03 10:00 UTC, 2 messages\n")
    assert "\n## You, 2025-02-03 10:00 UTC\n\nFirst\n\n- a\n- b\n" in text
    assert "\n> **Reasoning**\n>\n> I\n> think\n\nYes\n" in text


def test_what_is_ticked_is_one_file(as_alice: Client, alice: User, ids: dict[str, str]) -> None:
    response = as_alice.post(reverse("chats:download"), {"chat": [ids["c1"], ids["c3"], str(uuid4())]})

    chats = json.loads(response.getvalue())["chats"]
    assert sorted(found["id"] for found in chats) == ["c1", "c3"]
    with tenant(alice.pk):
        assert AuditEvent.objects.get(kind="chat.downloaded").details == {"count": 2}
    assert as_alice.post(reverse("chats:download"), {})["Location"] == reverse("chats:chat-list")


@pytest.mark.parametrize("title", ["", "../../etc/passwd", "a\r\nSet-Cookie: x=y", "\u202ecod.exe", '"; x="', "日本"])
def test_a_file_has_a_harmless_name(as_alice: Client, alice: User, title: str) -> None:
    synchronise(as_alice, chat("c", title=title))
    with tenant(alice.pk):
        response = as_alice.get(reverse("chats:chat-json", args=[Chat.objects.get().pk]))

    named = response["Content-Disposition"]
    assert response.status_code == 200
    assert not set(named.partition("filename")[2]) & set("/\\\r\n\u202e;")
    assert named.endswith(('.json"', ".json"))
