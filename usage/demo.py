"""What the demo account used: three months with the rhythm of working weeks, the last request a moment ago."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from usage.metering import BatchRecord, Tokens, record_batch
from usage.models import Period, Source
from usage.quotas import catch_up, set_budget

DAYS: Final = 92
SEED: Final = 2026
# How likely a request falls into each hour of a working day: a morning, a dip at noon, an afternoon, some evenings.
HOURS: Final = (1, 0, 0, 0, 0, 0, 1, 3, 8, 14, 16, 13, 7, 10, 15, 16, 12, 8, 4, 4, 6, 7, 4, 2)
MONDAY_TO_SUNDAY: Final = (1.0, 1.25, 1.15, 1.2, 0.75, 0.25, 0.35)


class Habit(NamedTuple):
    """A model in use between two days, counted back from today: how much, and how long its requests are."""

    provider: str
    model: str
    weight: int
    since: int
    until: int
    tokens: tuple[int, int, int]
    source: Source = Source.CLIENT


HABITS: Final = (
    Habit("openai", "openai/gpt-4o", 6, 92, 38, (1_300, 450, 0)),
    Habit("openai", "openai/gpt-4.1", 6, 40, 0, (1_500, 500, 0)),
    Habit("openai", "openai/gpt-4o-mini", 5, 92, 0, (700, 260, 0)),
    Habit("openai", "openai/o3-mini", 1, 70, 0, (500, 300, 900)),
    Habit("anthropic", "anthropic/claude-sonnet-4", 5, 80, 0, (1_800, 620, 0)),
    Habit("anthropic", "anthropic/claude-3.5-haiku", 2, 92, 20, (900, 300, 0)),
    Habit("google", "google/gemini-2.5-pro", 2, 62, 0, (1_400, 520, 700)),
    Habit("google", "google/gemini-2.5-flash", 4, 55, 0, (1_100, 380, 0), Source.GATEWAY),
    Habit("xai", "x-ai/grok-3-mini", 1, 50, 0, (600, 250, 400)),
    Habit("openrouter", "deepseek/deepseek-r1", 1, 92, 0, (650, 380, 800)),
    Habit("openrouter", "mistralai/mistral-large", 1, 75, 12, (800, 350, 0), Source.GATEWAY),
    Habit("ollama", "llama3.3:70b", 1, 30, 0, (500, 300, 0)),
)


def use(*, user_id: UUID, now: datetime) -> None:
    """Count some requests on most days up to `now`, within the free tier; then open the quotas' windows of those days.

    One model has no known price, one provider has a budget.
    """
    chance = random.Random(SEED)  # noqa: S311  (the same history each time)
    records: dict[Source, list[BatchRecord]] = {source: [] for source in Source}
    for days_ago in range(DAYS, -1, -1):
        for habit, record in _day(chance, now, days_ago):
            records[habit.source].append(record)
    for source, of_source in records.items():
        if of_source:
            record_batch(user_id=user_id, records=of_source, source=source)
    set_budget(user_id=user_id, period=Period.MONTHLY, provider="anthropic", cost=Decimal("1.50"))
    for days_ago in range(DAYS, -1, -1):
        catch_up(user_id=user_id, at=now - timedelta(days=days_ago))


def _day(chance: random.Random, now: datetime, days_ago: int) -> Iterator[tuple[Habit, BatchRecord]]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    # Busier from month to month; some days off.
    busy = 11 * MONDAY_TO_SUNDAY[midnight.weekday()] * (1.35 - 0.6 * days_ago / DAYS) * chance.triangular(0.3, 1.5, 1.0)
    if chance.random() < 0.06:
        return
    habits = [habit for habit in HABITS if habit.until <= days_ago <= habit.since]
    for _request in range(round(busy)):
        hour = chance.choices(range(24), weights=HOURS)[0]
        happened = midnight + timedelta(hours=hour, seconds=chance.uniform(0, 3600))
        habit = chance.choices(habits, weights=[habit.weight for habit in habits])[0]
        record = _record(chance, habit, happened)
        if happened < now:
            yield habit, record
    if days_ago == 0:
        last = now - min(timedelta(seconds=90), (now - midnight) / 2)
        yield habits[0], _record(chance, habits[0], last)


def _record(chance: random.Random, habit: Habit, happened: datetime) -> BatchRecord:
    prompt, answer, reasoning = (round(usual * chance.triangular(0.2, 2.4, 0.8)) for usual in habit.tokens)
    cached = round(prompt * chance.uniform(0.3, 0.8)) if chance.random() < 0.3 else 0
    tokens = Tokens(input=prompt, output=answer, reasoning=reasoning, cached=cached)
    return BatchRecord(provider=habit.provider, model=habit.model, tokens=tokens, happened_at=happened)
