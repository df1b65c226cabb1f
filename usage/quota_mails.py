"""Mails about limits that are nearly used up, and again when they wholly are: each once in a window."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models.functions import Now

from accounts.mails import News
from accounts.models import Mail, Profile
from usage.meters import shown_quotas
from usage.models import QuotaNotice
from usage.quotas import Quota, quotas_of
from usage.standing import State, meters, of_everything, worst
from wavelength.tenancy import tenant

LEVELS: Final[Mapping[State, int]] = {"ok": 0, "warning": 80, "exceeded": 100}
Told = tuple[datetime, int]


def news_of_quotas(user_id: UUID) -> News | None:
    """Claim what this person was not told of their limits and budgets, those of single keys apart."""
    with tenant(user_id):
        # Locked, so that two processes do not claim the same.
        profile = Profile.objects.select_for_update(no_key=True).get(user_id=user_id)
        if not profile.wants(Mail.QUOTA):
            return None
        told = dict[UUID, Told](
            (notice.limit_id, (notice.ends_at, notice.level)) for notice in QuotaNotice.objects.all()
        )
        fresh = [quota for quota in of_everything(quotas_of(user_id=user_id)) if _is_news(quota, told)]
        for quota in fresh:
            QuotaNotice.objects.update_or_create(
                user_id=user_id,
                limit_id=quota.limit_id,
                defaults={"ends_at": quota.ends_at, "level": _level(quota), "told_at": Now()},
            )
    if not fresh:
        return None
    used_up = [quota for quota in fresh if _level(quota) == LEVELS["exceeded"]]
    context = {"quotas": shown_quotas(fresh), "used_up": len(used_up), "running_low": len(fresh) - len(used_up)}
    return News("usage/quota_letter", context, lambda: _give_back(user_id, fresh, told))


def _is_news(quota: Quota, told: Mapping[UUID, Told]) -> bool:
    level = _level(quota)
    ends_at, before = told.get(quota.limit_id, (quota.starts_at, 0))
    return level > (before if ends_at >= quota.ends_at else 0)


def _level(quota: Quota) -> int:
    """The worst of its figures, as `due` counts it; where nothing was used, nothing is told even of a limit of 0."""
    return LEVELS[worst(meter.state for meter in meters(quota) if meter.used)]


def _give_back(user_id: UUID, quotas: list[Quota], told: Mapping[UUID, Told]) -> None:
    with tenant(user_id):
        for quota in quotas:
            claimed = QuotaNotice.objects.filter(limit_id=quota.limit_id, ends_at=quota.ends_at, level=_level(quota))
            if before := told.get(quota.limit_id):
                claimed.update(ends_at=before[0], level=before[1])
            else:
                claimed.delete()
