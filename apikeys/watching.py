"""Keys that need their owner's attention: refused by their provider, used far more than usual, or found in plain text.

Each reason is flagged once for each key, with an event in the trail. Its owner may dismiss it, and it goes when the key
is replaced. Texts are compared by the person's own fingerprints: only words that look like a provider's key are
fingerprinted, and neither word nor text is kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from statistics import median
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now
from django.utils.timezone import now

from accounts import audit
from accounts.datakeys import data_key_for
from accounts.models import Profile
from apikeys.models import ApiKey, FlagReason, KeyFlag
from usage.models import UsageRecord
from wavelength.envelope import EnvelopeError, Secret
from wavelength.jobs import defer_once
from wavelength.tenancy import tenant

logger = logging.getLogger(__name__)

LOOKS_LIKE_A_KEY: Final = r"(?:sk-|xai-|AIza)[A-Za-z0-9_-]{16,}"
"""How the keys of the providers we know begin; the same to Python and to PostgreSQL."""

# A day is unusual with more than ten times the requests of the middle one of the last 14 days on which the key was used
# (five at least), and with 100 requests at least; the job asks only about keys that have these (the function `due`).
TIMES: Final = 10
DAYS: Final = 14
FEWEST_DAYS: Final = 5
FEWEST_REQUESTS: Final = 100
DISMISSED_FOR: Final = timedelta(days=30)
"""How long an unusual day that its owner dismissed stands for later ones too."""

AT_ONCE: Final = 500  # words compared in one statement

# Texts of apps that stand above this one, by the place they are in; each is called outside any transaction.
SOURCES: Final[list[tuple[str, Callable[[UUID], Iterable[str]]]]] = []

# The key's days with use, latest first.
DAYS_OF_KEYS: Final = """
    SELECT k.id, w.used_requests, w.ends_at > now()
      FROM apikeys_apikey k
      JOIN usage_quotalimit l ON l.user_id = k.user_id AND l.api_key_id = k.id AND l.period = 'daily'
     CROSS JOIN LATERAL (SELECT q.used_requests, q.ends_at
                           FROM usage_quotawindow q
                          WHERE q.user_id = l.user_id AND q.limit_id = l.id AND q.used_requests > 0
                          ORDER BY q.ends_at DESC
                          LIMIT %(days)s + 1) AS w
     WHERE k.user_id = %(user)s AND k.is_active
     ORDER BY k.id, w.ends_at DESC
"""


def flag(key: ApiKey, reason: FlagReason, **details: Any) -> None:
    """Flag a key to its owner, once, inside their `tenant()`; the caller has locked the key."""
    found, is_new = KeyFlag.objects.get_or_create(
        user_id=key.user_id, key_id=key.pk, reason=reason, defaults={"details": details}
    )
    if not is_new:
        if reason != FlagReason.UNUSUAL or found.dismissed_at is None or found.dismissed_at > now() - DISMISSED_FOR:
            return
        KeyFlag.objects.filter(pk=found.pk).update(details=details, flagged_at=Now(), dismissed_at=None)
    audit.record(key.user_id, f"key.{reason}", **key.in_trail)


def heed_verdict(*, user_id: UUID, key_id: UUID, works: bool) -> None:
    """Flag a key that its provider refuses, and take that back from one that it accepts; inside `tenant()`."""
    key = ApiKey.objects.select_for_update().get(pk=key_id)
    if works:
        KeyFlag.objects.filter(key=key, reason=FlagReason.FAILING).delete()
    else:
        flag(key, FlagReason.FAILING)


def dismiss(*, user_id: UUID, flag_id: UUID) -> KeyFlag:
    """Say this of a key no more. Raises KeyFlag.DoesNotExist."""
    with tenant(user_id):
        found = KeyFlag.objects.select_related("key").select_for_update(of=("self",)).get(pk=flag_id)
        if found.dismissed_at is None:
            KeyFlag.objects.filter(pk=flag_id).update(dismissed_at=Now())
            audit.record(user_id, "key.flag_dismissed", **found.key.in_trail, reason=found.reason)
        return found


def look_for_keys(*, user_id: UUID, texts: Iterable[str], place: str) -> None:
    """Flag the person's keys that stand in these texts; `place` says where they are. Opens its own `tenant()`."""
    words = list({word for text in texts for word in _words(text)})
    for some in (words[start : start + AT_ONCE] for start in range(0, len(words), AT_ONCE)):
        try:
            with tenant(user_id):
                data_key = data_key_for(user_id)
                prints = [data_key.fingerprint(Secret(word)) for word in some]
                for key in ApiKey.objects.select_for_update().filter(fingerprint__in=prints).order_by("pk"):
                    flag(key, FlagReason.EXPOSED, place=place)
        except EnvelopeError:
            # Which data keys do not open is told elsewhere; what led here must not fail of it.
            logger.warning("The data key of %s does not open, so their texts could not be compared.", user_id)
            return


def look_through(*, user_id: UUID, everything: bool = False) -> None:
    """Look for the person's keys in names, profile and models of their usage; with `everything` also in SOURCES."""
    with tenant(user_id):
        if not ApiKey.objects.exists():
            return
        keys = [" ".join(pair) for pair in ApiKey.objects.values_list("key_name", "base_url")]
        profile = [" ".join(said) for said in Profile.objects.values_list("display_name", "bio")]
        # A month of the ledger: what was sent as the name of a model.
        recent = UsageRecord.objects.filter(hour__gt=Now() - timedelta(days=31))
        models = [" ".join(named) for named in recent.values_list("provider", "model").distinct()]
    for place, texts in (("key", keys), ("profile", profile), ("usage", models)):
        look_for_keys(user_id=user_id, texts=texts, place=place)
    for place, source in SOURCES if everything else ():
        look_for_keys(user_id=user_id, texts=source(user_id), place=place)


def look_through_later(user_id: UUID) -> None:
    """Have that done, once, however often it is asked for meanwhile."""
    defer_once("apikeys.tasks.look_through_of", f"look-through-{user_id}", user_id=str(user_id))


def check_rates(*, user_id: UUID) -> None:
    """Flag the person's keys that are used at many times their usual rate today."""
    with tenant(user_id):
        with connections["default"].cursor() as cursor:
            cursor.execute(DAYS_OF_KEYS, {"user": user_id, "days": DAYS})
            rows = cursor.fetchall()
        today = {key_id: requests for key_id, requests, is_open in rows if is_open}
        for key_id, requests in today.items():
            days = [of_day for other, of_day, is_open in rows if other == key_id and not is_open][:DAYS]
            if requests < FEWEST_REQUESTS or len(days) < FEWEST_DAYS or requests <= TIMES * (usual := median(days)):
                continue
            for key in ApiKey.objects.select_for_update().filter(pk=key_id):
                flag(key, FlagReason.UNUSUAL, requests=requests, usual=int(usual), days=len(days))


def _words(text: str) -> Iterator[str]:
    """Answer what may be a key in a text: also within a longer word, and without what closes it."""
    for found in re.finditer(LOOKS_LIKE_A_KEY, text):
        word = found[0]
        for beginning in re.finditer("sk-|xai-|AIza", word):
            yield word[beginning.start() :]
            yield word[beginning.start() :].rstrip("-_")
