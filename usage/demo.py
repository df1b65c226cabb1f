"""What the demo account used since it was opened: a few weeks of requests, the last of them today."""

import random
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from usage.metering import BatchRecord, Tokens, record_batch
from usage.models import Source

DAYS: Final = 34
SEED: Final = 2026
MODELS: Final = {
    "openai/gpt-4o": "openai",
    "openai/gpt-4o-mini": "openai",
    "anthropic/claude-sonnet-4": "anthropic",
    "google/gemini-2.5-pro": "google",
    "x-ai/grok-3-mini": "xai",
}


def use(*, user_id: UUID, now: datetime) -> None:
    """Count some requests on every day up to `now`, well within the free tier; a few came through the gateway."""
    chance = random.Random(SEED)  # noqa: S311  (the same history each time)
    for source, share in ((Source.CLIENT, 1.0), (Source.GATEWAY, 0.25)):
        records = [
            _record(chance, happened)
            for day in range(DAYS)
            for happened in _moments(chance, now - timedelta(days=day), share)
        ]
        record_batch(user_id=user_id, records=records, source=source)


def _moments(chance: random.Random, end: datetime, share: float) -> list[datetime]:
    weekend = end.weekday() >= 5  # Saturday and Sunday
    busy = round((6 if weekend else 16) * share * chance.uniform(0.4, 1.2))
    return [end - timedelta(minutes=chance.uniform(1, 14 * 60)) for _ in range(busy)]


def _record(chance: random.Random, happened: datetime) -> BatchRecord:
    model = chance.choices(list(MODELS), weights=[4, 5, 4, 2, 1])[0]
    tokens = Tokens(
        input=chance.randint(200, 2_400),
        output=chance.randint(80, 900),
        reasoning=chance.randint(100, 1_200) if "gemini" in model or "grok" in model else 0,
    )
    return BatchRecord(provider=MODELS[model], model=model, tokens=tokens, happened_at=happened)
