"""Limits and counters of single provider keys: a daily and a monthly quota of its own for each.

`apikeys`, which stands above this app, calls these whenever it makes, changes or deletes a key.
"""

from uuid import UUID

from django.db.models.functions import Now

from usage.models import Period, QuotaLimit
from usage.quotas import catch_up, hold_usage
from wavelength.tenancy import tenant


def limit_key(*, user_id: UUID, api_key_id: UUID, daily: int | None, monthly: int | None) -> None:
    """Allow a key so many requests in its owner's day and month; with None they are counted and never refused.

    What was used of an open window stays. Joins the caller's `tenant()`.
    """
    limits = [
        QuotaLimit(user_id=user_id, period=period, api_key_id=api_key_id, request_limit=allowed, updated_at=Now())
        for period, allowed in ((Period.DAILY, daily), (Period.MONTHLY, monthly))
    ]
    with tenant(user_id):
        hold_usage(user_id)
        QuotaLimit.objects.bulk_create(
            limits,
            update_conflicts=True,
            unique_fields=["user", "period", "provider", "model", "api_key_id"],
            update_fields=["request_limit", "updated_at"],
        )
        catch_up(user_id=user_id)
