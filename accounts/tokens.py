"""Tokens with which a person's scripts call the JSON API: made, counted, revoked.

The token is the permission, so it is random, is shown once, and only its hash is stored. Who shows one in a call is
found in accounts/bearer.py.
"""

import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from secrets import token_bytes
from typing import Final
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.contrib.sites.shortcuts import get_current_site
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, User
from wavelength.addresses import absolute
from wavelength.tenancy import tenant

NAME_LENGTH: Final = 80
MOST: Final = 50  # living ones of one person
SHOWN_OF_TOKEN: Final = 4  # characters by which its owner tells it from others
USER_AGENT_LENGTH: Final = 200  # of what a letter tells
TOKEN: Final = re.compile(r"wl_[A-Za-z0-9_-]{43}")


class TooManyTokensError(Exception):
    """The person has as many tokens as one may have."""


def make_token(*, user_id: UUID, name: str, days: int | None, read_only: bool) -> str:
    """Make a token for so many days, or for as long as it is not revoked; answers it, which nothing can show again.

    Raises TooManyTokensError.
    """
    token = "wl_" + urlsafe_b64encode(token_bytes(32)).rstrip(b"=").decode()
    with tenant(user_id):
        # Two at once are counted one after the other; and none is left to an account that is just being deactivated.
        User.objects.select_for_update(no_key=True).get(pk=user_id, is_active=True)
        if ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now())).count() >= MOST:
            raise TooManyTokensError
        made = ApiToken.objects.create(
            user_id=user_id,
            name=name,
            token_hash=bytes.fromhex(hash_of(token)),
            hint=token[-SHOWN_OF_TOKEN:],
            read_only=read_only,
            expires_at=None if days is None else Now() + timedelta(days=days),
        )
        audit.record(user_id, "token.made", name=name, hint=made.hint, read_only=read_only, days=days)
    return token


def revoke_token(*, user_id: UUID, token_id: UUID) -> None:
    """End a token at once; the calls it is shown in from now on are refused. Raises ApiToken.DoesNotExist."""
    with tenant(user_id):
        token = ApiToken.objects.select_for_update().get(pk=token_id)
        token.delete()
        audit.record(user_id, "token.revoked", name=token.name, hint=token.hint)


def tokens_of(user_id: UUID) -> QuerySet[ApiToken]:
    """A person's tokens, the newest first, those that have ended too; inside their ``tenant()``."""
    return ApiToken.objects.filter(user_id=user_id).defer("token_hash").order_by("-created_at", "-id")


def hash_of(token: str) -> str:
    """What is kept of a token: its SHA-256, in hexadecimal."""
    return sha256(token.encode()).hexdigest()


def send_token_letter(request: HttpRequest, user: User, *, name: str, token: str) -> None:
    """Tell a person by mail that a token of theirs was made, once the transaction is through."""
    adapter = get_adapter()
    context = {
        "name": name,
        "hint": token[-SHOWN_OF_TOKEN:],
        "developers_url": absolute(request, reverse("accounts:developers")),
        # What allauth's own letters of this kind tell.
        "timestamp": timezone.now(),
        "ip": adapter.get_client_ip(request),
        "user_agent": adapter.get_http_user_agent(request)[:USER_AGENT_LENGTH],
        "current_site": get_current_site(request),
    }
    letter = adapter.render_mail("account/email/token_made", user.email, context)
    # A mail server that is away must not undo what was asked for: the token would be lost. The trail tells the same.
    transaction.on_commit(letter.send, robust=True)
