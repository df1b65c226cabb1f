"""Mails with news that a person may not want, each with a way to have no more of its kind.

News are claimed in the person's own transaction before their mail is sent, so that no two processes write about the
same. A mail that the server did not take is given back and tried again; one whose process is killed in that moment is
lost. So each is sent at most once: what it says, the pages show as well.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.signing import BadSignature, Signer
from django.db import DatabaseError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from accounts.due import people_due
from accounts.models import Mail, Profile, User
from wavelength.tenancy import nobody, tenant

logger = logging.getLogger(__name__)
MOST: Final = 500  # people in one run; the others are due in the next
A_CONNECTION: Final = 50  # mails; some servers take no more
PERMANENT: Final = 500  # from this status on a mail server will not take it later either (RFC 5321 §4.2.1)
SALT: Final = "accounts.mails"


class LinkError(ValueError):
    """The link is not ours."""


@dataclass(frozen=True, slots=True)
class News:
    """What is told: templates `<template>_subject.txt` and `_message.txt`, what they show, and how to unclaim it."""

    template: str
    context: Mapping[str, Any]
    give_back: Callable[[], None]


def write_to_all(mail: Mail, news_of: Callable[[UUID], News | None], *, due: str, detail: str = "") -> int:
    """Write to everyone who has news, up to MOST people; answers how many mails were sent.

    `news_of` claims a person's news, in its own transaction, and speaks the person's language; None if there are none.
    Call it outside any transaction. Raises OSError (smtplib's errors too) when the mail server cannot be reached; then
    whoever was not written to is due again.
    """
    sent = 0
    waiting = islice(people_due(due, detail=detail), MOST)
    while some := list(islice(waiting, A_CONNECTION)):
        with get_connection() as connection:
            for user_id in some:
                try:
                    sent += _write_to(user_id, mail, news_of, connection)
                except (DatabaseError, ObjectDoesNotExist):
                    # One person's fault, or their end, must not keep everybody after them waiting.
                    logger.exception("%s could not be written to.", user_id)
    return sent


def end_address(user_id: UUID, mail: Mail) -> str:
    """Where whoever has this address switches the person's mails of this kind off, without signing in."""
    token = Signer(salt=SALT).sign_object([user_id.hex, mail.value])
    return str(settings.SITE_URL + reverse("accounts:mail-end", args=[token]))


def mail_of(token: str) -> tuple[UUID, Mail]:
    """Whose mails a link is about, and of which kind. Raises LinkError."""
    try:
        user_id, mail = Signer(salt=SALT).unsign_object(token)
        return UUID(user_id), Mail(mail)
    except (BadSignature, ValueError, TypeError) as error:
        raise LinkError("This link is not one of ours.") from error


def switch_off(token: str) -> Mail:
    """Send the person of the link no more mails of its kind; again is no harm. Raises LinkError."""
    user_id, mail = mail_of(token)
    with nobody(), tenant(user_id):
        profile = Profile.objects.select_for_update(no_key=True).filter(user_id=user_id).first()
        if profile is not None and profile.wants(mail):
            profile.wanted_mails = [wanted for wanted in profile.wanted_mails if wanted != mail]
            profile.save(update_fields=["wanted_mails"])
    return mail


def _write_to(user_id: UUID, mail: Mail, news_of: Callable[[UUID], News | None], connection: BaseEmailBackend) -> bool:
    with _speaking_to(user_id) as address:
        news = news_of(user_id)
        if news is None:
            return False
        end = end_address(user_id, mail)
        context = {**news.context, "mail": mail, "end": end, "site": settings.SITE_URL}
        letter = EmailMessage(
            " ".join(render_to_string(f"{news.template}_subject.txt", context).split()),
            render_to_string(f"{news.template}_message.txt", context),
            to=[address],
            headers={
                # RFC 8058: mail programs show a button that posts here.
                "List-Unsubscribe": f"<{end}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
            },
            connection=connection,
        )
    try:
        letter.send()
    except (SMTPRecipientsRefused, SMTPDataError) as refused:
        _refused(user_id, refused, news)
        return False
    except OSError:
        news.give_back()
        raise
    return True


def _refused(user_id: UUID, refused: SMTPRecipientsRefused | SMTPDataError, news: News) -> None:
    """This mail was not taken, others may be: tried again unless the server says that it never will."""
    if isinstance(refused, SMTPRecipientsRefused):
        [(status, _sentence)] = refused.recipients.values()
    else:
        status = refused.smtp_code
    if status < PERMANENT:
        news.give_back()
    # The server's sentence may hold the address.
    logger.warning("The mail server refused a mail to %s with status %s.", user_id, status)


@contextmanager
def _speaking_to(user_id: UUID) -> Iterator[str]:
    """The person's language and time zone, for as long as it is open; answers their address."""
    with tenant(user_id):
        address = User.objects.values_list("email", flat=True).get(pk=user_id)
        profile = Profile.objects.only("language", "timezone").get(user_id=user_id)
    with (
        translation.override(profile.language or settings.LANGUAGE_CODE),
        timezone.override(ZoneInfo(profile.timezone or "UTC")),
    ):
        yield address
