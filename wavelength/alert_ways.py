"""How operators are told: by mail, or by a call that is signed."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from django.conf import settings
from django.core.mail import send_mail

from wavelength.outgoing import OutgoingError, post
from wavelength.ranges import Reach

TIMEOUT: Final = 10.0  # seconds for the call


class WayError(Exception):
    """It did not get out; the text says why and what to do, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: since when a condition holds, None when it is over. Nothing in it tells of anybody."""

    name: str
    title: str
    sentence: str
    begun_at: datetime | None

    @property
    def subject(self) -> str:
        """``Jobs wait``, and later ``Over: Jobs wait``."""
        return self.title if self.begun_at else f"Over: {self.title}"


@dataclass(frozen=True, slots=True)
class Way:
    """One way of telling. `send` raises WayError."""

    name: str
    send: Callable[[Message], None]


def configured() -> list[Way]:
    """The ways that the settings name."""
    ways = []
    if settings.ALERT_EMAILS:
        ways.append(Way("mail", _by_mail))
    if settings.ALERT_WEBHOOK_URL:
        ways.append(Way("webhook", _by_webhook))
    return ways


def signature(body: bytes, moment: int, secret: str) -> str:
    """``v1=…``: HMAC-SHA256 in hex over the moment in Unix seconds, a full stop and the body."""
    signed = str(moment).encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _by_mail(message: Message) -> None:
    text = f"{_text(message)}\n\n{settings.SITE_URL}\n"
    try:
        send_mail(f"[Wavelength] {message.subject}", text, None, settings.ALERT_EMAILS)
    except OSError as error:
        # Of the server's sentence nothing: it may hold addresses.
        raise WayError(f"the mail server did not take it ({type(error).__name__}). Check EMAIL_URL.") from error


def _by_webhook(message: Message) -> None:
    body = orjson.dumps({
        "alert": message.name,
        "state": "begun" if message.begun_at else "over",
        "title": message.title,
        # What chat products show of a call.
        "text": f"{message.subject}: {message.sentence}" if message.begun_at else message.subject,
        "since": message.begun_at.astimezone(UTC).isoformat() if message.begun_at else None,
        "site": settings.SITE_URL,
    })  # fmt: skip
    moment = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "Wavelength-Time": str(moment),
        "Wavelength-Signature": signature(body, moment, settings.ALERT_WEBHOOK_SECRET),
    }
    try:
        # The address is the operator's own: it may be anywhere.
        status = post(settings.ALERT_WEBHOOK_URL, body=body, headers=headers, timeout=TIMEOUT, reach=Reach.ANYWHERE)
    except OutgoingError as error:
        raise WayError(f"{error} Check ALERT_WEBHOOK_URL.") from error
    if not 200 <= status < 300:
        raise WayError(f"it was answered with status {status}. Check ALERT_WEBHOOK_URL and what it wants.")


def _text(message: Message) -> str:
    if message.begun_at is None:
        return f"{message.title}: this is over."
    since = f"{message.begun_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{message.sentence}\n\nSince {since}. You are told once more when it is over."
