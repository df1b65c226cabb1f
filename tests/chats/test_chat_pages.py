"""The chats pages without a browser: paging, searching, one chat."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Profile, User
from chats.forms import END
from chats.models import Chat, Message, Source
from chats.sync import take_over
from tests.chats.payloads import chat as chat_of
from tests.chats.payloads import message as message_of
from tests.chats.payloads import synchronise
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


def test_a_long_chat_comes_in_pages_there_and_back(full: Client, alice: User) -> None:
    with tenant(alice.pk):
        chat = Chat.objects.order_by("-message_count")[0]
    here = reverse("chats:chat-detail", args=[chat.pk])
    keys: dict[str, list[str]] = {}
    for link, address in (("later_page", here), ("earlier_page", f"{here}?before={END}")):
        found: list[list[str]] = []
        following: str | None = address
        while following:
            context = full.get(following).context
            found.append([message.key for message in context["messages_shown"]])
            following = context[link]
        keys[link] = [key for page in (found if link == "later_page" else reversed(found)) for key in page]

    assert len(keys["later_page"]) == chat.message_count
    assert keys["earlier_page"] == keys["later_page"]


def test_a_message_is_found_by_its_link(full: Client, alice: User) -> None:
    with tenant(alice.pk):
        chat = Chat.objects.order_by("-message_count")[0]
        message = Message.objects.get(chat=chat, position=80)
    here = reverse("chats:chat-detail", args=[chat.pk])

    response = full.get(here, {"message": str(message.pk)})

    assert response.context["messages_shown"][2].key == str(message.pk)
    assert f'id="m-{message.pk}"' in response.content.decode()
    assert response.context["earlier_page"] == f"{here}?before=78"
    for other in ("x", "0191b1a0-0000-7000-8000-000000000000"):
        assert full.get(here, {"message": other}).context["earlier_page"] is None


def test_a_page_of_long_messages_is_shorter(alice: User, as_alice: Client) -> None:
    synchronise(as_alice, chat_of("long", *(message_of(f"m{n}", content="word " * 10_000) for n in range(8))))
    with tenant(alice.pk):
        chat = Chat.objects.get()
    response = as_alice.get(reverse("chats:chat-detail", args=[chat.pk]))

    assert len(response.context["messages_shown"]) == 2
    following = as_alice.get(response.context["later_page"])
    assert len(following.context["messages_shown"]) == 2
    back = as_alice.get(reverse("chats:chat-detail", args=[chat.pk]), {"before": 2})
    assert back.context["messages_shown"] == response.context["messages_shown"]


@pytest.mark.parametrize(
    ("preferences", "seen"),
    [
        ({}, {"Because", "in</span>", "$0.42", "1.5 s"}),
        ({"showReasoning": False}, {"in</span>", "$0.42", "1.5 s"}),
        ({"showTokens": False}, {"Because", "$0.42", "1.5 s"}),
        ({"showCosts": False, "showReasoning": True}, {"Because", "in</span>", "1.5 s"}),
    ],
)
def test_what_is_shown_beside_messages_is_ones_own_choice(
    alice: User, as_alice: Client, preferences: dict[str, bool], seen: set[str]
) -> None:
    figures = {"cost": 0.42, "duration": 1500, "tokens": {"input": 7, "reasoning": 0, "output": 9}}
    synchronise(as_alice, chat_of("c", message_of("m", role="assistant", reasoning="Because", **figures)))
    with tenant(alice.pk):
        Profile.objects.update(preferences=preferences)
        chat = Chat.objects.get()

    page = as_alice.get(reverse("chats:chat-detail", args=[chat.pk])).content.decode()

    article = page.partition("<article")[2].partition("</article>")[0]
    assert {text for text in ("Because", "in</span>", "$0.42", "1.5 s") if text in article} == seen


def test_rename(alice: User, as_alice: Client) -> None:
    synchronise(as_alice, chat_of("c", title="Before"))
    with tenant(alice.pk):
        chat = Chat.objects.get()
    address = reverse("chats:chat-title", args=[chat.pk])

    assert b'value="Before"' in as_alice.get(address).content
    response = as_alice.post(address, {"title": "  After <b> "})
    assert response["Location"] == reverse("chats:chat-detail", args=[chat.pk])
    part = as_alice.post(address, {"title": "Again"}, headers=HTMX).content.decode()
    assert "<html" not in part
    assert "<bdi>Again</bdi>" in part
    with tenant(alice.pk):
        assert Chat.objects.get().title == "Again"
    for bad in ("", "   ", "x" * 1001, "a\0b"):
        response = as_alice.post(address, {"title": bad}, headers=HTMX)
        assert b'aria-invalid="true"' in response.content, bad
    with tenant(alice.pk):
        assert Chat.objects.get().title == "Again"


class Overrides(HTMLParser):
    """Finds text with a direction override that is not in an element which ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.found: list[str] = []

    @classmethod
    def in_the_open(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "input", "br", "hr", "img"):
            self.open.append(tag in ("bdi", "option") or ("dir", "auto") in attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "\u202e" in data and not any(self.open):
            self.found.append(data)


def test_an_override_in_the_open_would_be_seen() -> None:
    assert Overrides.in_the_open("<p><bdi>\u202ea</bdi>\u202eb</p>") == ["\u202eb"]


HOSTILE = "<script>x()</script>\u202e<svg onload=x()>\n<math>"


def test_titles_and_models_are_inert_wherever_they_stand(alice: User, as_alice: Client) -> None:
    synchronise(as_alice, chat_of("c", message_of("m", model=HOSTILE), title=HOSTILE, model=HOSTILE))
    with tenant(alice.pk):
        chat = Chat.objects.get()
    pages = [
        reverse("chats:chat-list"),
        reverse("chats:chat-list") + "?q=script",
        reverse("chats:chat-detail", args=[chat.pk]),
        reverse("chats:chat-title", args=[chat.pk]),
        reverse("chats:chat-sharing", args=[chat.pk]),
        "/",
    ]
    as_alice.post(reverse("chats:chat-sharing", args=[chat.pk]), {"days": 1})
    pages.append(reverse("chats:link-list"))
    for page in pages:
        body = as_alice.get(page).content.decode()
        assert "<script>x()" not in body, page
        assert "<svg onload" not in body, page
        assert "<math>" not in body, page
        assert "\u202e" not in body.partition("<title>")[2].partition("</title>")[0], page
        assert Overrides.in_the_open(body) == [], page
    as_alice.delete("/api/chats/c")
    assert b"<script>x()" not in as_alice.get(reverse("chats:deleted")).content


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
