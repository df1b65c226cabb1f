"""Asking a provider whether a key works, and keeping what it said."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from apikeys import vault, watching
from apikeys.addresses import reach_given
from apikeys.models import ApiKey
from apikeys.providers import Provider, Verdict, provider_named
from apikeys.vault import OpenKey
from apikeys.wording import FAULT, NO_ANSWER, ODD, SAYINGS, TOO_LONG, UNASKED
from wavelength import outgoing
from wavelength.envelope import EnvelopeError, Secret
from wavelength.metrics import KEY_VALIDATIONS
from wavelength.outgoing import Answer, OutgoingError
from wavelength.ranges import Reach
from wavelength.tenancy import tenant

MAX_BODY: Final = 8 * 1024 * 1024  # bytes; OpenRouter's list is the longest, about 1 MiB


@dataclass(frozen=True, slots=True)
class _Question:
    provider: Provider
    key: OpenKey
    base_url: str


def validate_key(*, user_id: UUID, key_id: UUID) -> ApiKey:
    """Ask the key's provider and store the outcome.

    Takes as long as the provider does, at most about PROVIDER_TIMEOUT seconds, and holds no
    transaction meanwhile. When it cannot be told, `is_valid` stays as it was. Raises
    ApiKey.DoesNotExist.
    """
    with tenant(user_id):
        key = ApiKey.objects.get(pk=key_id)
        try:
            opened: OpenKey | None = vault.open_key(key)
        except EnvelopeError:
            opened = None
    verdict = ask(opened) if opened else Verdict(None, gettext_noop("This key cannot be opened. Enter it again."))
    with tenant(user_id):
        # Only of the secret that was asked about: it may have been replaced meanwhile.
        asked = ApiKey.objects.filter(pk=key_id, fingerprint=bytes(key.fingerprint))
        if verdict.works is None:
            asked.update(validation_error=verdict.sentence)
        else:
            told = asked.update(is_valid=verdict.works, validation_error=verdict.sentence, last_validated=Now())
            if told:
                watching.heed_verdict(user_id=user_id, key_id=key_id, works=verdict.works)
            if verdict.works:
                asked.update(failure_told_at=None)
        return vault.key_of(user_id=user_id, key_id=key_id)


def validate_all(*, user_id: UUID) -> list[ApiKey]:
    """Ask about every active key of a person, one after the other, and answer them as they now are."""
    with tenant(user_id):
        ids = list(ApiKey.objects.filter(is_active=True).order_by("pk").values_list("pk", flat=True))
    validated = []
    for key_id in ids:
        try:
            validated.append(validate_key(user_id=user_id, key_id=key_id))
        except ApiKey.DoesNotExist:
            # Its owner has deleted it meanwhile.
            continue
    return validated


def try_key(*, provider: str, secret: Secret, base_url: str | None = None) -> Verdict:
    """Ask a provider about a key that is stored nowhere; outside any transaction.

    Raises KeyRefusedError when it cannot be this provider's key; then nobody is asked.
    """
    return ask(vault.pasted_key(provider=provider, secret=secret, base_url=base_url))


def ask(key: OpenKey) -> Verdict:
    """Ask the provider for its models with this key. Call it outside any transaction.

    Nothing of the answer's text, and nothing of the key, comes back in the verdict.
    """
    verdict = _verdict_on(key)
    outcome = {True: "works", False: "refused", None: "unknown"}[verdict.works]
    KEY_VALIDATIONS.labels(key.provider, outcome).inc()
    return verdict


def _verdict_on(key: OpenKey) -> Verdict:
    provider = provider_named(key.provider)
    base_url = key.base_url or provider.default_base_url
    try:
        answer = _first_answer(_Question(provider, key, base_url))
    except OutgoingError as error:
        return _unasked(provider, NO_ANSWER[error.failure])
    return _unasked(provider, TOO_LONG) if answer.cut else _judge(provider, answer)


def _unasked(provider: Provider, reason: str) -> Verdict:
    return Verdict(None, f"{UNASKED % {'provider': provider.label}} {reason}")


def _judge(provider: Provider, answer: Answer) -> Verdict:
    status = answer.status
    if status == 200 and _is_models_list(provider, answer.body):
        return Verdict(True)
    if status == 400 and provider.refusal and provider.refusal.encode() in answer.body:
        status = 401
    works, sentence = SAYINGS.get(status, FAULT if status >= 500 else ODD)
    return Verdict(works, sentence % {"provider": provider.label, "status": status})


def _is_models_list(provider: Provider, body: bytes) -> bool:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(data, dict) and isinstance(data.get(provider.models_field), list)


def _first_answer(question: _Question) -> Answer:
    """Ask the provider's paths in turn, while the one before does not exist there. Raises OutgoingError."""
    deadline = time.monotonic() + settings.PROVIDER_TIMEOUT
    paths = iter(question.provider.models_paths)
    answer = _get(question, next(paths), deadline)
    for path in paths:
        if answer.status != 404:
            break
        answer = _get(question, path, deadline)
    return answer


def _get(question: _Question, path: str, deadline: float) -> Answer:
    return outgoing.call(
        "GET",
        question.base_url + path,
        headers={"Accept": "application/json"} | question.provider.authenticate(question.key.secret),
        timeout=deadline - time.monotonic(),
        most=MAX_BODY,
        # What the settings name may be anywhere.
        reach=reach_given() if question.key.base_url else Reach.ANYWHERE,
    )
