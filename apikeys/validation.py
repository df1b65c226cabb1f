"""Asking a provider whether a key works, and keeping what it said."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

import httpx
import orjson
from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from apikeys import vault
from apikeys.addresses import Destination, UnreachableError, resolve
from apikeys.models import ApiKey
from apikeys.providers import Provider, Verdict, provider_named
from apikeys.vault import OpenKey
from apikeys.wording import FAULT, ODD, SAYINGS, UNASKED
from wavelength.envelope import EnvelopeError, Secret
from wavelength.metrics import KEY_VALIDATIONS
from wavelength.tenancy import tenant

MAX_BODY: Final = 8 * 1024 * 1024  # bytes; OpenRouter's list is the longest, about 1 MiB
CONNECT_TIMEOUT: Final = 3.0  # seconds for each of a host's addresses
USER_AGENT: Final = "Wavelength"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Question:
    provider: Provider
    key: OpenKey
    destination: Destination
    deadline: float
    """On the monotonic clock, for all attempts together."""


class _NoAnswerError(Exception):
    """The provider's answer could not be had; the text is a sentence."""


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
            asked.update(is_valid=verdict.works, validation_error=verdict.sentence, last_validated=Now())
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
        destination = resolve(base_url, trusted=not key.base_url)
        deadline = time.monotonic() + settings.PROVIDER_TIMEOUT
        answer = _first_answer(_Question(provider, key, destination, deadline))
    except (UnreachableError, _NoAnswerError) as error:
        return Verdict(None, f"{UNASKED % {'provider': provider.label}} {error}")
    return _judge(provider, answer)


def _judge(provider: Provider, answer: _Answer) -> Verdict:
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


def _first_answer(question: _Question) -> _Answer:
    answer = _Answer(404, b"")
    for path in question.provider.models_paths:
        answer = _get(question, path)
        if answer.status != 404:
            break
    return answer


def _get(question: _Question, path: str) -> _Answer:
    for address in question.destination.addresses:
        try:
            return _get_from(address, question, path)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            # A host often has several addresses, of which not all can be reached from here.
            continue
        except httpx.TimeoutException:
            raise _NoAnswerError(gettext_noop("It did not answer in time. Try again later.")) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _NoAnswerError(gettext_noop("The connection broke off. Try again later.")) from None
    raise _NoAnswerError(gettext_noop("No connection could be made. Check the base URL, or try again later."))


def _get_from(address: str, question: _Question, path: str) -> _Answer:
    url = httpx.URL(question.destination.url + path)
    # No compression: what is counted is what is read. No environment: no proxy, no .netrc.
    headers = {
        "Host": url.netloc.decode(),
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    left = max(question.deadline - time.monotonic(), 0.001)
    timeout = httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT))
    with (
        httpx.Client(verify=_trusted(), follow_redirects=False, trust_env=False, timeout=timeout) as client,
        client.stream(
            "GET",
            # By the address that was checked; the certificate still has to be the host's.
            url.copy_with(host=address, port=question.destination.port),
            headers=headers | question.provider.authenticate(question.key.secret),
            extensions={"sni_hostname": question.destination.host},
        ) as response,
    ):
        return _Answer(response.status_code, _read(response, question.deadline))


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are believed: httpx's own list, and what the machine adds (SSL_CERT_FILE too)."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _read(response: httpx.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_BODY:
            raise _NoAnswerError(gettext_noop("Its answer was too long. Check the base URL."))
        if time.monotonic() > deadline:
            raise _NoAnswerError(gettext_noop("It did not answer in time. Try again later."))
    return bytes(body)
