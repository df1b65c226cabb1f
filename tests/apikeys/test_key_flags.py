"""Keys that need attention: each way that flags one, once, to its owner alone, until it is dismissed or replaced."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.due import people_due
from accounts.models import AuditEvent, Profile, User
from apikeys import tasks, vault, watching
from apikeys.advice import key_advice
from apikeys.middleware import FORM
from apikeys.models import ApiKey, FlagReason, KeyFlag
from apikeys.validation import validate_key
from chats import search
from chats.models import Chat, Message
from tests.apikeys.conftest import SECRETS, add_for
from tests.rows import MOMENT, unsaved
from tests.servers.providers import ProviderServer
from usage.models import AdviceKind, Period, QuotaLimit, QuotaWindow, UsageRecord
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

Add = Callable[..., ApiKey]
SECRET = SECRETS["openai"]
pytestmark = pytest.mark.django_db


def flags(person: User) -> list[KeyFlag]:
    with tenant(person.pk):
        return list(KeyFlag.objects.order_by("flagged_at"))


def reasons(person: User) -> list[str]:
    return [flag.reason for flag in flags(person)]


def events(person: User, *kinds: str) -> list[AuditEvent]:
    with tenant(person.pk):
        return list(AuditEvent.objects.filter(kind__in=kinds or ["key.failing", "key.unusual", "key.exposed"]))


def look(person: User, text: str, place: str = "chat") -> None:
    watching.look_for_keys(user_id=person.pk, texts=[text], place=place)


def say(person: User, text: str, title: str = "A chat", reasoning: str | None = None) -> Chat:
    """A chat in which this was said, not indexed so far."""
    with tenant(person.pk):
        chat = unsaved(Chat, person)
        chat.title, chat.indexed = title, False
        chat.save(force_insert=True)
        Message.objects.create(
            user=person,
            chat=chat,
            position=0,
            client_id="m",
            role="user",
            content=text,
            reasoning=reasoning,
            sent_at=MOMENT,
        )
        return chat


def used(person: User, key: ApiKey, *, today: int, before: list[int]) -> None:
    """So many requests through the key today, and on as many days before, the latest first."""
    with tenant(person.pk):
        limit = QuotaLimit.objects.get(api_key_id=key.pk, period=Period.DAILY)
        QuotaWindow.objects.filter(limit=limit).delete()
        start = now() - timedelta(hours=1)
        for days, requests in enumerate([today, *before]):
            begins = start - timedelta(days=days)
            QuotaWindow.objects.create(
                user=person, limit=limit, starts_at=begins, ends_at=begins + timedelta(days=1), used_requests=requests
            )


def test_a_key_that_its_provider_refuses_is_flagged(
    alice: User, as_alice: Client, add: Add, openai: ProviderServer
) -> None:
    key = add()
    openai.mode = "unauthorized"

    validate_key(user_id=alice.pk, key_id=key.pk)
    validate_key(user_id=alice.pk, key_id=key.pk)

    assert reasons(alice) == ["failing"]
    [event] = events(alice)
    assert (event.kind, event.details) == ("key.failing", key.in_trail)
    page = as_alice.get(reverse("apikeys:key-list")).content.decode()
    assert "Make a new key at its provider and replace this one" in page


def test_a_key_that_works_again_is_no_longer_flagged(alice: User, add: Add, openai: ProviderServer) -> None:
    key = add()
    openai.mode = "unauthorized"
    validate_key(user_id=alice.pk, key_id=key.pk)
    openai.mode = "broken"
    validate_key(user_id=alice.pk, key_id=key.pk)
    assert reasons(alice) == ["failing"]

    openai.mode = "ok"
    validate_key(user_id=alice.pk, key_id=key.pk)

    assert reasons(alice) == []


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"My key is {SECRET}.",
        f'{{"Authorization": "Bearer {SECRET}"}}',
        f"OPENAI_API_KEY={SECRET}\n",
        f"https://llm.example.com/?key={SECRET}&more=1",
        f"`{SECRET}`",
        f"{SECRET}_",
        f"task-{SECRET}",
        f"{SECRETS['anthropic']} and {SECRET}",
        f"ключ:{SECRET}。",
    ],
)
def test_a_key_in_a_text_is_flagged(alice: User, add: Add, text: str) -> None:
    add()
    look(alice, text)
    assert reasons(alice) == ["exposed"]


@pytest.mark.parametrize(
    "text", ["", "sk-", SECRET[:-1], SECRET + "x", SECRET.upper(), SECRETS["xai"], "sk-" + "a" * 100_000]
)
def test_another_text_is_not(alice: User, add: Add, text: str) -> None:
    add()
    look(alice, text)
    assert reasons(alice) == []


def test_every_providers_keys_are_known(alice: User, add: Add) -> None:
    for provider, secret in SECRETS.items():
        add(provider, secret=secret)

    look(alice, "\n".join(SECRETS.values()))

    assert reasons(alice) == ["exposed"] * len(SECRETS)


def test_a_key_in_a_chat_is_found_when_the_chat_is_indexed(alice: User, as_alice: Client, add: Add) -> None:
    add()
    say(alice, "Nothing here.")
    say(alice, f"Why does {SECRET} not work?")
    before = datetime.now(UTC)

    search.index_chats(user_id=alice.pk)
    search.index_chats(user_id=alice.pk)

    [flag] = flags(alice)
    assert (flag.reason, flag.details, flag.flagged_at >= before) == ("exposed", {"place": "chat"}, True)
    assert [event.kind for event in events(alice)] == ["key.exposed"]
    page = as_alice.get(reverse("apikeys:key-list")).content.decode()
    assert "This key stands in the text of a chat of yours." in page
    assert SECRET not in page


@pytest.mark.parametrize("where", ["title", "reasoning"])
def test_a_title_and_reasoning_are_read_too(alice: User, add: Add, where: str) -> None:
    add()
    say(alice, "Hello", **{where: f"About {SECRET}"})

    search.index_chats(user_id=alice.pk)

    assert reasons(alice) == ["exposed"]


def test_a_chat_from_before_the_key_is_found_too(alice: User, add: Add) -> None:
    for _ in range(search.INDEX_AT_ONCE + 1):
        say(alice, "Nothing here.")
    say(alice, f"Why does {SECRET} not work?")
    search.index_chats(user_id=alice.pk)
    add()
    assert reasons(alice) == []
    [job] = ProcrastinateJob.objects.filter(task_name="apikeys.tasks.look_through_of")

    tasks.look_through_of(**job.args)

    assert reasons(alice) == ["exposed"]


@pytest.mark.parametrize("place", ["key", "profile", "usage"])
def test_a_key_sent_as_something_else_is_found(alice: User, add: Add, place: str) -> None:
    add()
    with tenant(alice.pk):
        if place == "key":
            ApiKey.objects.update(key_name=SECRET)
        elif place == "profile":
            Profile.objects.update(bio=f"Mine: {SECRET}")
        else:
            record = unsaved(UsageRecord, alice)
            record.model, record.hour = SECRET, now()
            record.save(force_insert=True)

    watching.look_through(user_id=alice.pk)

    [flag] = flags(alice)
    assert (flag.reason, flag.details) == ("exposed", {"place": place})
    assert flag.sentence


def test_a_key_in_an_address_or_a_field_of_a_page_is_found(alice: User, as_alice: Client, add: Add) -> None:
    add()

    as_alice.get(reverse("chats:chat-list"), {"q": f"key {SECRET}"})

    assert [(flag.reason, flag.details) for flag in flags(alice)] == [("exposed", {"place": "request"})]


def test_a_key_in_a_field_that_is_for_keys_is_not(alice: User, as_alice: Client, openai: ProviderServer) -> None:
    fields = {"provider": "openai", "api_key": SECRET, "key_name": "Work"}

    def enter(**changes: str) -> None:
        as_alice.post(reverse("apikeys:key-create"), urlencode(fields | changes), content_type=FORM)

    enter()
    enter()
    assert reasons(alice) == []

    enter(key_name=SECRET)
    assert reasons(alice) == ["exposed"]


def test_a_page_without_anything_like_a_key_costs_no_query(
    as_alice: Client, add: Add, django_assert_num_queries: Any
) -> None:
    add()

    def queries(**asked: str) -> int:
        with django_assert_num_queries(50, exact=False) as counted:
            as_alice.get(reverse("apikeys:key-list"), asked)
        return len(counted)

    assert queries(q="hello") < queries(q=SECRET)


@pytest.mark.parametrize(
    ("today", "before", "flagged"),
    [
        (101, [10, 10, 10, 10, 10], True),
        (100, [10, 10, 10, 10, 10], False),
        (99, [1, 1, 1, 1, 1], False),
        (100, [1, 1, 1, 1, 1], True),
        (5000, [1, 1, 1, 1], False),
        (5000, [400, 500, 600, 500, 500], False),
        # A day without use is none of the days, and an old one neither.
        (500, [0, 10, 0, 10, 0, 10, 10, 10], True),
        (500, [10] * 14 + [10_000] * 30, True),
        (500, [100] * 14 + [1] * 30, False),
        # One wild day does not make the next one usual.
        (500, [9000, 10, 10, 10, 10, 10], True),
        (0, [10, 10, 10, 10, 10], False),
    ],
)
def test_an_unusual_day_is_flagged(alice: User, add: Add, today: int, before: list[int], flagged: bool) -> None:
    used(alice, add(), today=today, before=before)

    watching.check_rates(user_id=alice.pk)
    watching.check_rates(user_id=alice.pk)

    assert reasons(alice) == (["unusual"] if flagged else [])
    assert len(events(alice)) == flagged


def test_an_unusual_day_tells_what_it_was_compared_with(alice: User, as_alice: Client, add: Add) -> None:
    used(alice, add(), today=1234, before=[12, 10, 8, 14, 16])

    watching.check_rates(user_id=alice.pk)

    page = as_alice.get(reverse("apikeys:key-list")).content.decode()
    assert "1,234 requests in one day; on a usual one there are 12 (median of 5 days)." in page
    assert "If that was not you, revoke it at its provider" in page


def test_a_key_that_is_off_has_no_rate(alice: User, add: Add) -> None:
    key = add()
    used(alice, key, today=1000, before=[10] * 5)
    vault.change_key(user_id=alice.pk, key_id=key.pk, is_active=False)

    watching.check_rates(user_id=alice.pk)

    assert reasons(alice) == []


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_the_hourly_job_asks_about_keys_that_are_used_much(
    alice: User, bob: User, add: Add, openai: ProviderServer
) -> None:
    used(alice, add(), today=watching.FEWEST_REQUESTS, before=[1] * 5)
    used(bob, add_for(bob), today=watching.FEWEST_REQUESTS - 1, before=[1] * 5)

    assert list(people_due("key_rates")) == [alice.pk]
    tasks.check_key_rates(0)

    assert (reasons(alice), reasons(bob)) == (["unusual"], [])


def test_a_repeat_flags_once(alice: User, add: Add) -> None:
    add()
    for place in ("chat", "profile", "chat"):
        look(alice, SECRET, place)

    assert [flag.details["place"] for flag in flags(alice)] == ["chat"]
    assert len(events(alice)) == 1


def test_anothers_key_of_the_same_looks_does_not_flag_mine(alice: User, bob: User, as_bob: Client, add: Add) -> None:
    add()
    add_for(bob, secret=SECRET)

    look(bob, SECRET)
    as_bob.get(reverse("apikeys:key-list"), {"q": SECRET})

    assert (reasons(alice), reasons(bob)) == ([], ["exposed"])
    assert events(alice) == []


def test_a_flag_is_dismissed_and_stays_so(alice: User, as_alice: Client, add: Add) -> None:
    add()
    look(alice, SECRET)
    [flag] = flags(alice)

    response = as_alice.post(reverse("apikeys:flag-dismissal", args=[flag.pk]), follow=True)
    as_alice.post(reverse("apikeys:flag-dismissal", args=[flag.pk]))
    look(alice, SECRET)

    page = response.content.decode()
    assert "Dismissed." in page
    assert "stands in the text" not in page
    [still] = flags(alice)
    assert (still.pk, still.dismissed_at is not None) == (flag.pk, True)
    assert len(events(alice)) == 1
    assert [event.details["reason"] for event in events(alice, "key.flag_dismissed")] == ["exposed"]


def test_a_dismissed_unusual_day_stands_for_a_month_only(alice: User, add: Add) -> None:
    used(alice, add(), today=500, before=[10] * 5)
    watching.check_rates(user_id=alice.pk)
    [flag] = flags(alice)
    watching.dismiss(user_id=alice.pk, flag_id=flag.pk)

    watching.check_rates(user_id=alice.pk)
    assert flags(alice)[0].dismissed_at

    with tenant(alice.pk):
        KeyFlag.objects.update(dismissed_at=now() - watching.DISMISSED_FOR - timedelta(hours=1))
    watching.check_rates(user_id=alice.pk)

    assert flags(alice)[0].dismissed_at is None
    assert len(events(alice)) == 2


def test_another_persons_flag_is_not_found(alice: User, bob: User, as_bob: Client, add: Add) -> None:
    add()
    look(alice, SECRET)
    [flag] = flags(alice)

    assert as_bob.post(reverse("apikeys:flag-dismissal", args=[flag.pk])).status_code == 404
    assert flags(alice)[0].dismissed_at is None
    with pytest.raises(KeyFlag.DoesNotExist):
        watching.dismiss(user_id=bob.pk, flag_id=flag.pk)


def test_a_flag_is_not_dismissed_by_looking(alice: User, as_alice: Client, add: Add) -> None:
    add()
    look(alice, SECRET)

    assert as_alice.get(reverse("apikeys:flag-dismissal", args=[flags(alice)[0].pk])).status_code == 405


def test_a_replaced_key_is_no_longer_flagged(alice: User, add: Add) -> None:
    key = add()
    look(alice, SECRET)
    watching.dismiss(user_id=alice.pk, flag_id=flags(alice)[0].pk)

    vault.change_key(user_id=alice.pk, key_id=key.pk, key_name="Another name")
    assert reasons(alice) == ["exposed"]
    vault.change_key(user_id=alice.pk, key_id=key.pk, secret=Secret("sk-proj-another-one-0123456789"))
    look(alice, SECRET)
    assert reasons(alice) == []

    look(alice, "sk-proj-another-one-0123456789")
    assert [flag.dismissed_at for flag in flags(alice)] == [None]


def test_a_deleted_key_takes_its_flags_along(alice: User, add: Add) -> None:
    key = add()
    look(alice, SECRET)

    vault.delete_key(user_id=alice.pk, key_id=key.pk)

    assert flags(alice) == []


def test_the_overview_says_what_was_noticed(alice: User, as_alice: Client, add: Add) -> None:
    key = add(key_name="<b>Work</b>")
    look(alice, SECRET)
    used(alice, key, today=500, before=[10] * 5)
    watching.check_rates(user_id=alice.pk)

    said = key_advice(vault.keys_of(alice.pk), datetime.now(UTC))

    assert {advice.kind for advice in said} == {AdviceKind.KEY_EXPOSED, AdviceKind.KEY_UNUSUAL}
    assert all(advice.urgent for advice in said)
    page = as_alice.get(reverse("home")).content.decode()
    assert "<bdi>&lt;b&gt;Work&lt;/b&gt;</bdi>: This key stands in the text of a chat of yours." in page
    vault.change_key(user_id=alice.pk, key_id=key.pk, is_active=False)
    assert {advice.kind for advice in key_advice(vault.keys_of(alice.pk), datetime.now(UTC))} == {
        AdviceKind.KEY_EXPOSED
    }


def test_the_trail_says_it_to_its_owner(alice: User, as_alice: Client, add: Add) -> None:
    add()
    look(alice, SECRET)

    page = as_alice.get(reverse("accounts:security")).content.decode()

    assert "Provider key found in plain text" in page


def test_the_secret_is_kept_nowhere(alice: User, add: Add, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    add()

    look(alice, f"My key is {SECRET}.")

    with tenant(alice.pk):
        rows = [*KeyFlag.objects.values(), *AuditEvent.objects.values(), *ProcrastinateJob.objects.values()]
    assert rows
    assert SECRET not in f"{rows}{caplog.text}"


def test_texts_of_somebody_whose_data_key_does_not_open_fail_nothing(
    alice: User, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    add()
    with tenant(alice.pk):
        from accounts.models import DataKey

        DataKey.objects.update(wrapped=b"spoilt")

    look(alice, SECRET)

    assert reasons(alice) == []
    assert "does not open" in caplog.text


def test_every_reason_has_its_words() -> None:
    for reason in FlagReason.values:
        flag = KeyFlag(reason=reason, details={"place": "chat", "requests": 1, "usual": 1, "days": 5})
        assert flag.sentence
        assert flag.counsel
