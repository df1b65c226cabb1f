"""Links to shared chats: what they show, to whom, for how long; and what they never do."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from chats.changes import restore_chats
from chats.models import Chat, SharedLink
from chats.sharing import MAX_LINKS
from tests.chats.payloads import chat, message, synchronise
from tests.conftest import signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
ADDRESS = re.compile(r'value="(https?://[^"]*)(/shared/[A-Za-z0-9_-]{43}/)"')
HTMX = {"HX-Request": "true"}


@pytest.fixture
def shown(as_alice: Client, alice: User) -> Chat:
    synchronise(
        as_alice,
        chat(
            "c1",
            message("m1", content="What is **rain**?"),
            message(
                "m2",
                role="assistant",
                content="Water that falls.",
                reasoning="Secret thoughts",
                model="openai/o3",
                cost=0.4242,
                duration=4242,
                tokens={"input": 4241, "reasoning": 4243, "output": 4244},
            ),
            title="Weather",
        ),
        chat("c2", message("m1", content="Another chat"), title="Another title"),
    )
    with tenant(alice.pk):
        return Chat.objects.get(shown_id="c1")


def share(client: Client, chat_id: Any, **form: Any) -> str:
    """The path of a new link."""
    response = client.post(reverse("chats:chat-sharing", args=[chat_id]), {"days": 7} | form)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    found = ADDRESS.search(response.content.decode())
    assert found, response.content
    return found[2]


def told(response: Any) -> dict[str, str]:
    """The headers but for the request's own number."""
    return {name: value for name, value in response.items() if name != "X-Request-ID"}


def test_whoever_has_the_link_reads_the_chat_and_nothing_else(
    as_alice: Client, alice: User, shown: Chat, anonymous: Client
) -> None:
    path = share(as_alice, shown.pk)

    response = anonymous.get(path)

    page = response.content.decode()
    assert response.status_code == 200
    assert "<strong>rain</strong>" in page
    assert "Water that falls." in page
    assert "Weather" in page
    for secret in (
        "Secret thoughts", "Another", alice.email, alice.name, str(alice.pk), str(shown.pk), "42", "c1", "m1",
        "2025", "csrf", "/chats/", "Sign in",
    ):  # fmt: skip
        assert secret not in re.sub(r"v=[0-9a-f.]+", "", page), secret


def test_nothing_is_set_kept_found_or_told_elsewhere(as_alice: Client, shown: Chat, anonymous: Client) -> None:
    for path in (share(as_alice, shown.pk), "/shared/" + "x" * 43 + "/"):
        response = anonymous.get(path)

        assert response.cookies == {}
        assert response["Cache-Control"] == "private, no-store"
        assert response["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response["X-Robots-Tag"]
        assert response["Content-Security-Policy"] == anonymous.get("/")["Content-Security-Policy"]
        assert response["X-Frame-Options"] == "DENY"
        assert b'<meta name="robots" content="noindex' in response.content


def test_reasoning_is_shown_when_its_owner_says_so(as_alice: Client, shown: Chat, anonymous: Client) -> None:
    assert b"Secret thoughts" in anonymous.get(share(as_alice, shown.pk, with_reasoning="on")).content


def test_its_owner_and_others_see_the_same_as_anybody(
    as_alice: Client, as_bob: Client, shown: Chat, anonymous: Client
) -> None:
    path = share(as_alice, shown.pk)
    page = anonymous.get(path).content

    assert as_alice.get(path).content == page
    assert as_bob.get(path).content == page


def test_a_link_that_leads_nowhere_says_always_the_same(
    as_alice: Client, alice: User, shown: Chat, anonymous: Client
) -> None:
    ended, withdrawn, live = (share(as_alice, shown.pk) for _ in range(3))
    with tenant(alice.pk):
        newest_first = list(SharedLink.objects.order_by("-id"))
        SharedLink.objects.filter(pk=newest_first[2].pk).update(expires_at=timezone.now())
    as_alice.post(reverse("chats:link-withdrawal", args=[newest_first[1].pk]))
    unknown = anonymous.get("/shared/" + "A" * 43 + "/")

    assert unknown.status_code == 404
    for path in (ended, withdrawn, "/shared/x/", "/shared/" + "ü" * 43 + "/", live[:-2] + "/"):
        response = anonymous.get(path)
        assert (response.status_code, response.content) == (404, unknown.content), path
        assert told(response) == told(unknown)
    assert anonymous.get(live).status_code == 200
    as_alice.delete("/api/chats/c1")
    gone = anonymous.get(live)
    assert (gone.status_code, gone.content) == (404, unknown.content)
    restore_chats(user_id=alice.pk, chats=[shown.pk])
    assert anonymous.get(live).status_code == 200


def test_a_deactivated_account_shares_nothing(as_alice: Client, alice: User, shown: Chat, anonymous: Client) -> None:
    path = share(as_alice, shown.pk)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert anonymous.get(path).status_code == 404


def test_only_a_hash_is_stored_and_the_address_is_shown_once(as_alice: Client, alice: User, shown: Chat) -> None:
    path = share(as_alice, shown.pk)
    token = path.split("/")[2]

    page = as_alice.get(reverse("chats:chat-sharing", args=[shown.pk])).content.decode()
    assert token not in page
    assert f"<code>{token[-4:]}</code>" in page
    with tenant(alice.pk), connection.cursor() as cursor:
        for table in ("chats_sharedlink", "accounts_auditevent"):
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")
            assert token not in str(cursor.fetchall())
        link = SharedLink.objects.get()
        assert len(bytes(link.token_hash)) == 32
        kinds = list(AuditEvent.objects.filter(kind__startswith="chat.").values_list("kind", flat=True))
    assert kinds == ["chat.shared"]
    as_alice.post(reverse("chats:link-withdrawal", args=[link.pk]))
    with tenant(alice.pk):
        assert AuditEvent.objects.filter(kind="chat.share_withdrawn").count() == 1
        assert not SharedLink.objects.exists()


def test_another_owner(as_alice: Client, as_bob: Client, alice: User, shown: Chat, anonymous: Client) -> None:
    path = share(as_alice, shown.pk)
    with tenant(alice.pk):
        link = SharedLink.objects.get()

    assert as_bob.post(reverse("chats:chat-sharing", args=[shown.pk]), {"days": 7}).status_code == 404
    assert as_bob.post(reverse("chats:link-withdrawal", args=[link.pk])).status_code == 404
    assert str(link.ending).encode() not in as_bob.get(reverse("chats:link-list")).content
    assert anonymous.get(path).status_code == 200


@pytest.mark.parametrize("form", [{"days": 0}, {"days": 366}, {"days": "7 days"}, {"days": ""}, {"days": -1}])
def test_bad_input(as_alice: Client, alice: User, shown: Chat, form: dict[str, Any]) -> None:
    response = as_alice.post(reverse("chats:chat-sharing", args=[shown.pk]), form)

    assert response.status_code == 200
    assert response.context["form"].errors
    with tenant(alice.pk):
        assert not SharedLink.objects.exists()


def test_wrong_method(as_alice: Client, shown: Chat, anonymous: Client) -> None:
    path = share(as_alice, shown.pk)

    assert anonymous.post(path).status_code == 405
    assert as_alice.put(reverse("chats:chat-sharing", args=[shown.pk])).status_code == 405


@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_ends_when_it_was_said(as_alice: Client, alice: User, shown: Chat, days: int) -> None:
    share(as_alice, shown.pk, days=days)

    with tenant(alice.pk):
        left = SharedLink.objects.get().expires_at - timezone.now()
    assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)


def test_a_chat_has_so_many_links(as_alice: Client, alice: User, shown: Chat) -> None:
    with tenant(alice.pk):
        later = timezone.now() + timedelta(days=1)
        SharedLink.objects.bulk_create(
            SharedLink(user=alice, chat=shown, token_hash=bytes([n]) * 32, ending="x", expires_at=later)
            for n in range(MAX_LINKS)
        )

    response = as_alice.post(reverse("chats:chat-sharing", args=[shown.pk]), {"days": 7})

    assert b"as many links as it can have" in response.content


def test_all_links_are_listed_with_their_chats(as_alice: Client, shown: Chat) -> None:
    share(as_alice, shown.pk)

    page = as_alice.get(reverse("chats:link-list")).content
    assert b"Weather" in page
    as_alice.delete("/api/chats/c1")
    assert b"Weather" not in as_alice.get(reverse("chats:link-list")).content


def test_long_chats_are_shared_in_pages(as_alice: Client, alice: User, anonymous: Client) -> None:
    synchronise(as_alice, chat("long", *(message(f"m{n}", content=f"Number {n}.") for n in range(120))))
    with tenant(alice.pk):
        path = share(as_alice, Chat.objects.get().pk)

    first = anonymous.get(path).content.decode()
    assert "Number 49." in first
    assert "Number 50." not in first
    second = anonymous.get(path + "?after=49").content.decode()
    assert "Number 50." in second
    assert f"{path}?before=50" in second


def test_in_the_dialog_it_says_the_same(as_alice: Client, alice: User, shown: Chat) -> None:
    address = reverse("chats:chat-sharing", args=[shown.pk])
    made = as_alice.post(address, {"days": 1}, headers=HTMX).content.decode()

    assert "<html" not in made
    assert ADDRESS.search(made)
    with tenant(alice.pk):
        link = SharedLink.objects.get()
    withdrawn = as_alice.post(reverse("chats:link-withdrawal", args=[link.pk]), headers=HTMX).content.decode()
    assert "The link is withdrawn" in withdrawn
    assert "<html" not in withdrawn


def test_a_shared_page_is_inert(as_alice: Client, alice: User, anonymous: Client) -> None:
    hostile = "<script>x</script><svg onload=x> [a](javascript:x) ![i](https://other.example/i.png) \u202eabc"
    synchronise(
        as_alice,
        chat("h", message("m", content=hostile, reasoning=hostile, model=hostile), title=hostile, model=hostile),
    )
    with tenant(alice.pk):
        path = share(as_alice, Chat.objects.get().pk, with_reasoning="on")

    page = anonymous.get(path).content.decode()
    assert "<script>x" not in page
    assert "<svg onload" not in page
    assert '<img src="https' not in page
    assert 'href="javascript' not in page
    title = page.partition("<title>")[2].partition("</title>")[0]
    assert "\u202e" not in title
    assert signed_in(alice).get("/").status_code == 200
