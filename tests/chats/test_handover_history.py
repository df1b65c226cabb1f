"""What a hand-over writes into the analytics: every answer once, at its own time, and no quota takes notice."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.test import Client

from accounts.models import User
from accounts.profile import change_profile
from tests import samples
from tests.chats.payloads import chat, hand_over, message, payload, synchronise
from usage.models import Source, UsageRecord
from usage.quotas import quotas_of
from wavelength.tenancy import tenant


def test_it_works(as_alice: Client, alice: User) -> None:
    sent = samples.payload("rich")

    hand_over(as_alice, sent)

    requests: Counter[tuple[str, str, datetime]] = Counter()
    tokens: Counter[tuple[str, str, datetime]] = Counter()
    costs: defaultdict[tuple[str, str, datetime], Decimal] = defaultdict(Decimal)
    for conversation in sent["chats"]:
        for answer in conversation["messages"]:
            if answer["role"] != "assistant":
                continue
            key = (*named(answer["model"]), hour_of(answer))
            requests[key] += 1
            tokens[key] += sum((answer.get("tokens") or {}).values())
            costs[key] += round(Decimal(repr(answer.get("cost") or 0)), 12)
    records = history(alice)
    assert {key: record.request_count for key, record in records.items()} == requests
    assert {
        key: record.input_tokens + record.output_tokens + record.reasoning_tokens for key, record in records.items()
    } == {key: tokens[key] for key in requests}
    assert {key: record.total_cost or 0 for key, record in records.items()} == {key: costs[key] for key in requests}
    assert {provider for provider, _, _ in records} == {
        "anthropic", "openai", "google", "xai", "deepseek", "openrouter",
    }  # fmt: skip


def test_the_report_shows_it_at_its_own_days(as_alice: Client) -> None:
    sent = samples.payload("rich")
    hand_over(as_alice, sent)
    report = as_alice.get("/api/profile/usage?period=all").json()["data"]

    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for conversation in sent["chats"]:
        for answer in conversation["messages"]:
            if answer["role"] == "assistant":
                costs[answer["timestamp"][:10]] += round(Decimal(repr(answer.get("cost") or 0)), 12)
    assert {day["date"]: day["cost"] for day in report["dailyUsage"]} == {day: float(c) for day, c in costs.items()}
    assert report["totals"]["cost"] == float(sum(costs.values()))
    hand_over(as_alice, sent)
    assert as_alice.get("/api/profile/usage?period=all").json()["data"]["totals"] == report["totals"]


def test_a_repeat_adds_nothing(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, samples.payload("rich"))
    before = figures(alice)

    hand_over(as_alice, samples.payload("rich"))
    synchronise(as_alice, *samples.payload("rich")["chats"])

    assert figures(alice) == before


def test_no_quota_takes_notice(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, samples.payload("rich"))
    hand_over(as_alice, payload(chat("now", answer("m1", timestamp=datetime.now(UTC).isoformat()))))

    assert len(history(alice)) > 0
    assert {quota.used_requests for quota in quotas_of(user_id=alice.pk)} == {0}


def test_a_sync_adds_what_is_new(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1", answer("m1", cost=0.25), answer("m2", cost=0.5))))

    synchronise(as_alice, chat("c1", answer("m1", cost=0.25), answer("m2", cost=0.5), answer("m3", cost=1e-9)))

    (record,) = history(alice).values()
    assert (record.request_count, record.total_cost) == (3, Decimal("0.750000001"))


def test_what_has_no_cost_is_not_free(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1", answer("m1", cost=None, tokens=None))))

    (record,) = history(alice).values()
    assert (record.request_count, record.unpriced_requests, record.total_cost) == (1, 1, None)


def test_a_model_is_the_chats_where_the_answer_names_none(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("c1", answer("m1", model=None), model="x-ai/grok-4")))

    ((provider, model, _),) = history(alice)
    assert (provider, model) == ("xai", "x-ai/grok-4")


def test_a_refused_chat_brings_nothing(as_alice: Client, alice: User) -> None:
    hand_over(as_alice, payload(chat("bad", answer("m1"), answer("m1")), chat("good", answer("m2"))))

    assert sum(record.request_count for record in history(alice).values()) == 1


def test_hours_are_those_of_the_persons_days(as_alice: Client, alice: User) -> None:
    # In Kathmandu the first of February begins at 18:15 UTC.
    change_profile(user_id=alice.pk, timezone="Asia/Kathmandu")

    hand_over(
        as_alice,
        payload(
            chat(
                "c1",
                answer("m1", timestamp="2025-01-31T18:14:59.000Z"),
                answer("m2", timestamp="2025-01-31T18:15:00.000Z"),
            )
        ),
    )

    assert sorted(hour for _, _, hour in history(alice)) == [
        datetime(2025, 1, 31, 17, 15, tzinfo=UTC),
        datetime(2025, 1, 31, 18, 15, tzinfo=UTC),
    ]


def test_another_person_sees_nothing(as_alice: Client, bob: User) -> None:
    hand_over(as_alice, samples.payload("small"))

    assert history(bob) == {}


def answer(name: str, **fields: Any) -> dict[str, Any]:
    tokens = {"input": 10, "reasoning": 0, "output": 20}
    return message(name, **{"role": "assistant", "model": "openai/gpt-4o", "cost": 0.5, "tokens": tokens, **fields})


def named(model: str) -> tuple[str, str]:
    provider, slash, _ = model.partition("/")
    return {"x-ai": "xai"}.get(provider, provider) if slash else "openrouter", model


def hour_of(answer: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(answer["timestamp"]).replace(minute=0, second=0, microsecond=0)


def history(person: User) -> dict[tuple[str, str, datetime], UsageRecord]:
    with tenant(person.pk):
        records = list(UsageRecord.objects.all())
    assert {record.source for record in records} <= {Source.MIGRATION}
    return {(record.provider, record.model, record.hour): record for record in records}


def figures(person: User) -> dict[tuple[str, str, datetime], tuple[int, Decimal | None]]:
    return {key: (record.request_count, record.total_cost) for key, record in history(person).items()}
