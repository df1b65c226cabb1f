"""The demo account's history: three months of chats in the shape a browser would hand over."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

DAYS = 92
CHATS = 60
SEED = 2026

# Dollars per million tokens, in and out.
MODELS: dict[str, tuple[float, float]] = {
    "openai/gpt-4o": (2.5, 10.0),
    "openai/gpt-4o-mini": (0.15, 0.6),
    "anthropic/claude-sonnet-4": (3.0, 15.0),
    "google/gemini-2.5-pro": (1.25, 10.0),
    "x-ai/grok-3-mini": (0.3, 0.5),
    "deepseek/deepseek-r1": (0.55, 2.19),
}
REASONING = frozenset({"google/gemini-2.5-pro", "deepseek/deepseek-r1", "x-ai/grok-3-mini"})

# Title, then what is asked and answered in turn.
CONVERSATIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "A week in Kyōto",
        (
            (
                "We have seven days in Kyōto in November, with a five-year-old. What should we not miss?",
                (
                    "November is maple season, so go early:\n\n1. **Tōfuku-ji** before nine, for the leaves.\n"
                    "2. **Fushimi Inari**, only the lower half.\n3. The **Railway Museum**, half a day.\n\n"
                    "Keep two afternoons free; a child remembers the river stones at Demachiyanagi."
                ),
            ),
            (
                "And where do we eat with a child who eats only noodles? 🍜",
                "Nishiki market has *udon* at every corner, and Honke Owariya has made soba since 1465.",
            ),
        ),
    ),
    (
        "Slow query after the upgrade",
        (
            (
                "Slow since the upgrade of PostgreSQL:\n\n```sql\nSELECT id FROM orders WHERE lower(email) = $1;\n```",
                (
                    "The expression has no index of its own. Add one and look at the plan:\n\n```sql\n"
                    "CREATE INDEX CONCURRENTLY orders_email_lower ON orders (lower(email));\n"
                    "EXPLAIN (ANALYZE, BUFFERS) SELECT …;\n```\n\nRun `ANALYZE orders` too: upgrades drop statistics."
                ),
            ),
            ("That was it, 800 ms down to 0.3. Why does CONCURRENTLY matter?", "It takes no lock that blocks writers."),
        ),
    ),
    (
        "Letter to the landlord",
        (
            (
                "Write a friendly but firm letter: the heating has been broken for eight days.",
                (
                    "Dear Ms Okafor,\n\nsince the 3rd of this month our heating has not worked, and nights are cold. "
                    "Please have it repaired by Friday. Until then we will reduce the rent as the law provides.\n\n"
                    "With kind regards"
                ),
            ),
        ),
    ),
    (
        "Sourdough that stays flat",
        (
            (
                "My loaf spreads like a pancake. 75 % hydration, 12 hours at 21 °C.",
                (
                    "That is overproofed. Shorten the bulk rise until the dough has grown by **half**, and "
                    "shape it twice. A table:\n\n| °C | hours |\n|---|---|\n| 18 | 12 |\n| 21 | 8 |\n| 24 | 6 |"
                ),
            ),
            ("And in the fridge?", "Eight to sixteen hours after shaping: it only gains flavour there."),
        ),
    ),
    (
        "مراجعة رسالة رسمية",
        (
            (
                "راجع هذه الجملة من فضلك: نود إعلامكم بأن الاجتماع قد تم تأجيله.",
                "الأفضل: «نود إعلامكم بتأجيل الاجتماع»، فهي أوجز وأوضح.",
            ),
        ),
    ),
    (
        "Explain monads without burritos",
        (
            (
                "What is a monad, for someone who writes Python?",
                (
                    "A type with a rule for chaining: take the value out, give it to the next step, wrap it again. "
                    "`Optional` chained with *stop at None* is one:\n\n```python\ndef bind(value, step):\n"
                    "    return None if value is None else step(value)\n```"
                ),
            ),
            ("So async/await is one as well?", "Yes: `await` is its bind, and the event loop decides when."),
        ),
    ),
    (
        "Training plan for a half marathon",
        (
            (
                "I run 20 km a week. Half marathon in twelve weeks, under two hours?",
                (
                    "Realistic. Three runs a week: one long and slow (from 10 to 18 km), one of intervals "
                    "(6 × 800 m), one easy. Add a tenth a week, and rest in every fourth."
                ),
            ),
        ),
    ),
    (
        "Name for a small bookshop",
        (("Ten names for a second-hand bookshop by the sea, please.", "Salt & Spine · The Tide Table · Marginalia …"),),
    ),
)
REASONINGS = (
    "The question has two parts; the second depends on the first. I start with what can be checked.",
    "There are three usual causes. The figures rule out one of them, so I compare the other two.",
)


def payload(today: datetime) -> dict[str, Any]:
    """The body of a hand-over whose last chat is of `today`; the same for the same day."""
    source = random.Random(SEED)  # noqa: S311  (no secret)
    midnight = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # More of late than in the beginning, none at night.
    days = sorted(int(DAYS * source.random() ** 1.5) for _ in range(CHATS))
    chats = []
    for number, days_ago in enumerate(days):
        started = midnight - timedelta(days=days_ago + 1) + timedelta(minutes=source.randint(7 * 60, 22 * 60))
        chats.append(_chat(source, number, started))
    config = {
        "defaultModel": "openai/gpt-4o",
        "defaultProvider": "openrouter",
        "showReasoning": True,
        "showTokens": True,
        "showCosts": True,
        "autoScroll": True,
        "reasoningEffort": "medium",
    }
    return {"chats": chats, "config": config}


def _chat(source: random.Random, number: int, started: datetime) -> dict[str, Any]:
    title, turns = CONVERSATIONS[number % len(CONVERSATIONS)]
    model = source.choice(list(MODELS))
    at = started
    messages: list[dict[str, Any]] = []
    # The same conversation again goes on longer or shorter.
    for place in range(source.randint(1, 2 * len(turns))):
        asked, answered = turns[place % len(turns)]
        at += timedelta(seconds=source.randint(20, 400))
        messages.append(_message(f"demo-{number}-{place}q", "user", asked, at))
        answer = _answer(source, model, asked, answered)
        at += timedelta(milliseconds=answer["duration"])
        messages.append(_message(f"demo-{number}-{place}a", "assistant", answered, at) | answer)
    return {
        "id": f"demo-{number}",
        "title": title if number < len(CONVERSATIONS) else f"{title} ({number // len(CONVERSATIONS) + 1})",
        "model": model,
        "messages": messages,
        "createdAt": started.isoformat(),
        "updatedAt": at.isoformat(),
    }


def _message(id_: str, role: str, content: str, at: datetime) -> dict[str, Any]:
    return {"id": id_, "role": role, "content": content, "timestamp": at.isoformat()}


def _answer(source: random.Random, model: str, asked: str, answered: str) -> dict[str, Any]:
    price_in, price_out = MODELS[model]
    reasoning = source.randint(80, 900) if model in REASONING else 0
    tokens = {
        "input": source.randint(200, 2500) + len(asked) // 4,
        "reasoning": reasoning,
        "output": source.randint(80, 900) + len(answered) // 4,
    }
    cost = (tokens["input"] * price_in + (tokens["output"] + reasoning) * price_out) / 1_000_000
    return {
        "model": model,
        "tokens": tokens,
        "cost": round(cost, 8),
        "duration": source.randint(900, 12_000),
        "reasoning": source.choice(REASONINGS) if reasoning else None,
    }
