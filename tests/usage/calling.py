"""Asking the usage calls, and what a test changes beforehand."""

import json
from typing import Any

from django.test import Client

from accounts.models import User
from apikeys.models import ApiKey
from tests.rows import unsaved
from usage.models import Period, QuotaLimit
from usage.quotas import Quota, quotas_of
from wavelength.tenancy import tenant

EXAMPLE = {"provider": "openai", "model": "made-up", "requestCount": 1, "inputTokens": 150, "outputTokens": 300}
NOT_FOUND = {"success": False, "error": "There is nothing here.", "code": "not_found"}
NOT_SIGNED_IN = {"success": False, "error": "Sign in first.", "code": "not_signed_in"}
# What is no count, and what is no amount of money.
NO_COUNTS = [-1, 2**31 + 1, 2**64, 10**30, 1.5, 150.0, True, "1", [], {}]
NO_COSTS = [-1, -1e-12, 1e10, 10**30, True, "0.1", [], {}]


def send(client: Client, method: str, url: str, body: Any = None, **headers: str) -> Any:
    content = "" if body is None else body if isinstance(body, str | bytes) else json.dumps(body)
    return client.generic(method, url, content, content_type="application/json", headers=headers)


def post(client: Client, url: str, body: Any, **headers: str) -> Any:
    return send(client, "POST", url, body, **headers)


def allow(person: User, period: Period = Period.DAILY, **numbers: Any) -> None:
    """Change what this person may use of everything."""
    with tenant(person.pk):
        QuotaLimit.objects.filter(period=period, provider="", api_key_id=None).update(**numbers)


def narrow(person: User, provider: str, model: str = "", **numbers: Any) -> None:
    """Limit what this person may use of a provider or model a day."""
    with tenant(person.pk):
        QuotaLimit.objects.create(user=person, period=Period.DAILY, provider=provider, model=model, **numbers)


def counted_key(person: User, **numbers: Any) -> str:
    """A key by which requests are counted, with a limit a day alone."""
    key = unsaved(ApiKey, person)
    with tenant(person.pk):
        key.save(force_insert=True)
        QuotaLimit.objects.create(user=person, period=Period.DAILY, api_key_id=key.pk, **numbers)
    return str(key.pk)


def daily(person: User) -> Quota:
    return quotas_of(user_id=person.pk)[0]
