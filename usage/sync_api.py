"""The calls that take a client's records by the thousand, and tell what came of them."""

from collections.abc import Mapping
from datetime import UTC, date
from typing import Annotated, Any, Literal

import orjson
from django.http import HttpResponse, UnreadablePostError
from ninja import Router
from pydantic import Field, PlainSerializer

from usage import batches, standing
from usage.batches import MOST_RECORDS
from usage.models import UsageRecord
from wavelength.contract import Answer, ApiError, Dollars, Moment, Request, Shape, failure, reply

router = Router(tags=["Usage"], by_alias=True)

Day = Annotated[date, PlainSerializer(date.isoformat, return_type=str)]


class Result(Shape):
    """What became of one record, at its place; `error` says what is wrong with it."""

    provider: str | None
    model: str | None
    status: Literal["success", "error"]
    error: str | None = None


class Synced(Shape):
    total_records: int
    success_count: int
    error_count: int
    results: list[Result]


class SyncedPartly(Shape):
    """Some records could not be counted; all others were."""

    success: Literal[False]
    error: str
    code: Literal["some_records_failed"]
    data: Synced


class Synchronized(Shape):
    provider: str
    model: str
    date: Day
    hour: Annotated[int, Field(ge=0, le=23)]
    requests: int
    tokens: int
    cost: Dollars | None
    last_updated: Moment


class SyncStatus(Shape):
    recent_syncs: list[Synchronized]
    expired_quotas_count: int
    needs_quota_reset: bool
    last_sync_time: Moment | None


class Reset(Shape):
    type: str
    provider: str | None
    model: str | None
    next_reset: Moment


class Resets(Shape):
    reset_count: int
    resets: list[Reset]


@router.post(
    "/usage/sync",
    response=Answer[Synced] | SyncedPartly,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["usageRecords"],
                        "properties": {
                            "usageRecords": {
                                "type": "array",
                                "maxItems": MOST_RECORDS,
                                "items": batches.RECORD.json_schema(),
                            }
                        },
                    }
                }
            },
        }
    },
)
def sync(request: Request) -> HttpResponse:
    """Count up to 10,000 records at once. A bad one spoils no other; a known `id` is a success that adds nothing."""
    given = _given(request)
    outcome = batches.take_batch(user_id=request.user.pk, given=given)
    failed = len(outcome.errors)
    data = {
        "totalRecords": outcome.total,
        "successCount": outcome.total - failed,
        "errorCount": failed,
        "results": _results(given, outcome.errors),
    }
    if failed:
        sentence = f"{failed} of {outcome.total} records could not be counted; the results say why."
        return failure(200, "some_records_failed", sentence, data=data)
    return reply(data, message="All records are counted.")


@router.get("/usage/sync", response=Answer[SyncStatus])
def show_sync(request: Request) -> HttpResponse:
    """The hours that changed last, and whether windows wait to be opened."""
    user_id = request.user.pk
    latest = batches.latest_hours(user_id=user_id)
    waiting = standing.due(user_id=user_id)
    return reply(
        SyncStatus(
            recent_syncs=[_synchronized(record) for record in latest],
            expired_quotas_count=waiting,
            needs_quota_reset=waiting > 0,
            last_sync_time=latest[0].updated_at if latest else None,
        )
    )


@router.put("/usage/sync", response=Answer[Resets])
def open_windows(request: Request) -> HttpResponse:
    """Open the windows that are due. They also open by themselves, so there are usually none."""
    opened = standing.open_due(user_id=request.user.pk)
    resets = [
        Reset(
            type=quota.period,
            provider=quota.provider or None,
            model=quota.model or None,
            next_reset=quota.ends_at,
        )
        for quota in opened
    ]
    return reply(Resets(reset_count=len(resets), resets=resets))


def _given(request: Request) -> list[Any]:
    # Read past DATA_UPLOAD_MAX_MEMORY_SIZE: how much this call may be sent, BODY_LIMITS says.
    try:
        body = orjson.loads(request.read())
    except (orjson.JSONDecodeError, UnreadablePostError):
        raise ApiError(400, "malformed_json", "The body must be a JSON object, whole and without NaN.") from None
    given = body.get("usageRecords") if isinstance(body, dict) else None
    if not isinstance(given, list):
        raise _refused("invalid_request", "usageRecords: This must be a list.")
    if len(given) > MOST_RECORDS:
        raise _refused("too_many_records", f"At most {MOST_RECORDS:,} records at once. Send them in several calls.")
    return given


def _refused(code: str, sentence: str) -> ApiError:
    return ApiError(400, code, sentence, details=[{"path": ["usageRecords"], "message": sentence}])


def _results(given: list[Any], errors: Mapping[int, str]) -> list[dict[str, str | None]]:
    """What became of each; successes of one model are one and the same, which takes half the time."""
    successes: dict[tuple[str, str], dict[str, str | None]] = {}
    results = []
    for place, one in enumerate(given):
        if place in errors:
            results.append(_failed(one, errors[place]))
            continue
        model = one["provider"], one["model"]
        if model not in successes:
            successes[model] = {"provider": model[0], "model": model[1], "status": "success"}
        results.append(successes[model])
    return results


def _failed(one: Any, error: str) -> dict[str, str | None]:
    named = (one.get("provider"), one.get("model")) if isinstance(one, dict) else (None, None)
    provider, model = (name if isinstance(name, str) else None for name in named)
    return {"provider": provider, "model": model, "status": "error", "error": error}


def _synchronized(record: UsageRecord) -> Synchronized:
    hour = record.hour.astimezone(UTC)
    return Synchronized(
        provider=record.provider,
        model=record.model,
        date=hour.date(),
        hour=hour.hour,
        requests=record.request_count,
        tokens=record.input_tokens + record.output_tokens + record.reasoning_tokens,
        cost=record.total_cost,
        last_updated=record.updated_at,
    )
