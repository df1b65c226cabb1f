"""What a person's chats amount to: totals, by day, by model. From the chats' own figures, as clients reported them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Sum, Value
from django.db.models.functions import Coalesce, TruncDate

from chats.models import Chat, Message
from wavelength.tenancy import tenant

DAYS_SHOWN = 30
MODELS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts, and the cost in US dollars."""

    chats: int
    messages: int
    tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the person's own calendar."""

    date: date
    messages: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What was spent on one model."""

    name: str
    chats: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class ChatFigures:
    """Everything the overview says of chats; `days` are the last `DAYS_SHOWN`, oldest first, none left out."""

    totals: Totals
    month: Totals
    days: list[Day]
    models: list[ModelFigures]
    latest: list[Chat]


def chat_figures(*, user_id: UUID, zone: ZoneInfo, latest: int) -> ChatFigures:
    """Sum up a person's chats; days and the month are those of `zone`."""
    today = datetime.now(zone).date()
    month_starts = today.replace(day=1)
    days_start = today - timedelta(days=DAYS_SHOWN - 1)
    with tenant(user_id):
        present = Chat.objects.present()
        totals = Totals(
            **present.aggregate(
                chats=Count("id"),
                messages=Coalesce(Sum("message_count"), 0),
                tokens=Coalesce(Sum("total_tokens"), 0),
                cost=Coalesce(Sum("total_cost"), Decimal(0)),
            )
        )
        days = _days(min(month_starts, days_start), zone)
        active = present.filter(updated_at__gte=_midnight(month_starts, zone)).count()
        models = [
            ModelFigures(**row)
            for row in present.exclude(model="")
            .values(name=F("model"))
            .annotate(chats=Count("id"), cost=Sum("total_cost"))
            .order_by("-cost", "-chats", "name")[:MODELS_SHOWN]
        ]
        newest = list(present.newest_first()[:latest])
    of_month = [day for when, day in days.items() if when >= month_starts]
    return ChatFigures(
        totals=totals,
        month=Totals(
            chats=active,
            messages=sum(day.messages for day in of_month),
            tokens=sum(day.tokens for day in of_month),
            cost=sum((day.cost for day in of_month), Decimal(0)),
        ),
        days=[days.get(when, Day(when)) for when in (days_start + timedelta(days=n) for n in range(DAYS_SHOWN))],
        models=models,
        latest=newest,
    )


def _days(start: date, zone: ZoneInfo) -> dict[date, Day]:
    nothing = Value(0)
    rows = (
        Message.objects.filter(sent_at__gte=_midnight(start, zone))
        .values(date=TruncDate("sent_at", tzinfo=zone))
        .annotate(
            messages=Count("id"),
            tokens=Coalesce(
                Sum(
                    Coalesce("input_tokens", nothing)
                    + Coalesce("reasoning_tokens", nothing)
                    + Coalesce("output_tokens", nothing)
                ),
                0,
            ),
            cost=Coalesce(Sum("cost"), Decimal(0)),
        )
    )
    return {row["date"]: Day(**row) for row in rows}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
