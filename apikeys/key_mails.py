"""Mails about keys that their provider no longer accepts: each once, until it works again."""

from uuid import UUID

from django.db.models.functions import Now

from accounts.mails import News
from accounts.models import Mail, Profile
from apikeys.models import ApiKey
from wavelength.tenancy import tenant


def news_of_keys(user_id: UUID) -> News | None:
    """Claim the active keys of this person that fail, and of which they were not told."""
    with tenant(user_id):
        # Locked, so that two processes do not claim the same.
        profile = Profile.objects.select_for_update(no_key=True).get(user_id=user_id)
        if not profile.wants(Mail.KEY):
            return None
        failing = ApiKey.objects.filter(is_active=True, is_valid=False, failure_told_at=None)
        keys = list(failing.order_by("provider", "key_name"))
        ids = [key.pk for key in keys]
        ApiKey.objects.filter(pk__in=ids).update(failure_told_at=Now())
    if not keys:
        return None
    return News("apikeys/key_letter", {"keys": keys}, lambda: _give_back(user_id, ids))


def _give_back(user_id: UUID, ids: list[UUID]) -> None:
    with tenant(user_id):
        ApiKey.objects.filter(pk__in=ids).update(failure_told_at=None)
