"""Every text that a person can choose, on every page, the admin's too: shown as text, and turning nothing around.

The texts go straight into the database, so that it does not matter which door keeps some of them out.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import Model
from django.test import Client
from django.utils.timezone import now

from accounts.audit import record
from accounts.models import AnonymousSession, ApiToken, AuditEvent, Profile, User
from accounts.people import open_account
from apikeys.models import ApiKey, FlagReason, KeyFlag
from chats.models import Chat, Handover, Message
from chats.sharing import share_chat
from tests.browser.addresses import INSIDE
from tests.conftest import PASSWORD, signed_in
from tests.rows import unsaved
from tests.wavelength.inert import MARK, RLO, faults
from usage.models import ModelAccess, ModelPrice, Period, QuotaLimit, Reservation, UsageRecord
from wavelength.admin import registered_models
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

HOSTILE = {
    "markup": f"\"'></script></title><svg {MARK} onload={MARK}()><math {MARK}>",
    "handler": f'" onmouseover={MARK}() {MARK}=\'" x="',
    "script address": f"javascript:{MARK}()//%0a{MARK}",
    "data address": f"data:text/html,<{MARK}>",
    "template": f"{{{{ {MARK} }}}}{{% {MARK} %}}<!--{MARK}--><![CDATA[<{MARK}>]]>",
    "direction": f"{MARK} {RLO}gpj.exe\u2067\u2066 \x07\x1b[31m\x7f",
}
FORMATTED = (
    f"[{MARK}](javascript:{MARK}) ![{MARK}](data:image/svg+xml,{MARK}) [{MARK}]: vbscript:{MARK}\n\n"
    f"<svg><a xlink:href='javascript:{MARK}'>{MARK}</a></svg> <math href='javascript:{MARK}'>{MARK}</math>\n\n"
    + ">" * 10_000
    + f" {MARK}"
)


def cut(model: type[Model], name: str, text: str) -> str:
    length = getattr(model._meta.get_field(name), "max_length", None)
    return text[:length] if length else text


def fill(person: User, text: str) -> dict[str, Any]:
    """Puts this text wherever a person can choose one; answers what the addresses' names stand for."""
    User.objects.filter(pk=person.pk).update(name=cut(User, "name", text))
    EmailAddress.objects.create(user=person, email="another@example.com")
    SocialAccount.objects.create(
        user=person, provider="google", uid=text[:60], extra_data={"name": text, "email": text, "picture": text}
    )
    passkey = Authenticator.objects.create(
        user=person, type=Authenticator.Type.WEBAUTHN, data={"name": text, "credential": {}}
    )
    UserSession.objects.create(user=person, session_key="another", ip="192.0.2.1", user_agent=text[:200])
    AnonymousSession.objects.create(anonymous_id=cut(AnonymousSession, "anonymous_id", text), claimed_by=person)
    with tenant(person.pk):
        Profile.objects.filter(user=person).update(
            display_name=cut(Profile, "display_name", text),
            bio=text,
            language=cut(Profile, "language", text),
            timezone="",
            preferences=dict.fromkeys(("theme", "model", "defaultModel", "provider", "fontSize"), text),
        )
        for kind in ("session.failed", "key.added", "session.ended", "budget.set"):
            record(person.pk, kind, name=text, provider=text, browser=text, way=text, period=text, count=1)
        AuditEvent.objects.create(user=person, kind="session.started", device=cut(AuditEvent, "device", text))
        shown = fill_chats(person, text)
        fill_usage(person, text)
        shown["key"] = fill_keys(person, text)
        token = unsaved(ApiToken, person)
        token.name = cut(ApiToken, "name", text)
        token.save(force_insert=True)
    return shown | {"passkey": passkey.pk, "token": token.pk}


def fill_chats(person: User, text: str) -> dict[str, Any]:
    chat = unsaved(Chat, person)
    deleted = unsaved(Chat, person)
    deleted.deleted_at, deleted.purge_at = now(), now() + timedelta(days=1)
    for each in (chat, deleted):
        each.title, each.client_id, each.shown_id = text, text + each.client_id[:8], text + each.client_id[:8]
        each.model, each.status = cut(Chat, "model", text), cut(Chat, "status", text)
        each.message_count = 2
        each.save(force_insert=True)
    for position, (role, said) in enumerate(
        (("user", text), ("assistant", f"{text}\n\n```{text}\n{text}\n```\n{FORMATTED}"))
    ):
        message = unsaved(Message, person)
        message.chat, message.position, message.role, message.content = chat, position, role, said
        message.reasoning = text
        message.model = cut(Message, "model", text)
        message.metadata = {"name": text, "attachments": [{"name": text, "url": text}]}
        message.save(force_insert=True)
    handover = unsaved(Handover, person)
    handover.errors = [{"path": ["chats", 0, text], "subject": text, "reason": text}, text]
    handover.warnings, handover.deleted_keys = [text], ["openai"]
    handover.error_count, handover.finished_at, handover.rejected_chats = 2, now(), 1
    handover.save(force_insert=True)
    handover.refresh_from_db()
    share_chat(user_id=person.pk, chat_id=chat.pk, days=7, with_reasoning=True)
    return {"chat": chat.pk, "import": handover.reference}


def fill_usage(person: User, text: str) -> None:
    record_ = unsaved(UsageRecord, person)
    record_.provider, record_.model = cut(UsageRecord, "provider", text), cut(UsageRecord, "model", text)
    record_.hour, record_.request_count, record_.total_cost = now().replace(minute=0, second=0, microsecond=0), 40, 100
    record_.save(force_insert=True)
    limit = QuotaLimit(user=person, period=Period.MONTHLY, provider=record_.provider, model=record_.model)
    limit.own_cost_limit = 1
    limit.save(force_insert=True)
    reservation = unsaved(Reservation, person)
    reservation.provider, reservation.model = record_.provider, record_.model
    reservation.save(force_insert=True)


def fill_keys(person: User, text: str) -> Any:
    key = unsaved(ApiKey, person)
    key.key_name, key.base_url, key.hint = cut(ApiKey, "key_name", text), cut(ApiKey, "base_url", text), text[:4]
    key.is_valid, key.validation_error = (
        False,
        "OpenAI does not know this key.",
    )
    key.save(force_insert=True)
    KeyFlag.objects.create(user=person, key=key, reason=FlagReason.EXPOSED, details={"place": "chat"})
    return key.pk


def walk(client: Client, addresses: Iterable[str]) -> dict[str, list[str]]:
    """What is wrong, by address; every page has to open."""
    found = {}
    for address in addresses:
        response = client.get(address, follow=True)
        assert response.status_code < 500, (address, response.status_code)
        if wrong := faults(response.content.decode()):
            found[address] = wrong
    return found


def in_admin(text: str, person: User) -> list[str]:
    """Every list and form of the admin, of this person's rows where they have any."""
    ModelPrice(provider=text[:190], model=text[:190], input_price=1, output_price=1).save(using="operator")
    ModelAccess(provider=text[:190], model=text[:190]).save(using="operator")
    found = ["/admin/", "/admin/analytics/?period=24h"]
    for model in registered_models(admin.site):
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        found += [base, f"{base}?q=a&o=1"]
        with connections["operator"].cursor() as cursor:
            cursor.execute(f'SELECT {model._meta.pk.column} FROM "{model._meta.db_table}" LIMIT 6')
            ids = [row[0] for row in cursor.fetchall()]
        found += [f"{base}{id_}/{page}/" for id_ in ids for page in ("change", "history")]
    return found


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_people_write_is_shown_as_text_everywhere(kind: str, alice: User) -> None:
    text = HOSTILE[kind]
    stands_for = fill(alice, text)
    client = signed_in(alice)
    inside = {address.format(**stands_for) for address in INSIDE}
    inside |= {f"/usage/?period=all&by={by}" for by in ("model", "provider", "source")}
    inside |= {f"/chats/?q={MARK}", f"/chats/{stands_for['chat']}/?q={MARK}", f"/accounts/login/?next={text}"}

    assert walk(client, sorted(inside)) == {}

    # It was there to be seen.
    for address in (
        "/",
        "/chats/",
        "/chats/{chat}/",
        "/chats/deleted/",
        "/keys/",
        "/usage/",
        "/profile/",
        "/security/",
    ):
        assert MARK in client.get(address.format(**stands_for)).content.decode(), address


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_people_write_is_shown_as_text_to_operators(kind: str, alice: User) -> None:
    text = HOSTILE[kind]
    fill(alice, text)
    olga = open_account(
        email="olga@example.com", name=text[:80], is_staff=True, verified=True, password=PASSWORD, way="command"
    )
    LogEntry.objects.using("operator").create(
        user_id=olga.pk,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(alice.pk),
        object_repr=str(ModelPrice(provider=text, model=text))[:200],
        action_flag=CHANGE,
        change_message=text,
    )
    addresses = in_admin(text, alice)
    assert len(addresses) > 30

    assert walk(signed_in(olga), addresses) == {}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_shared_chat_is_shown_as_text(kind: str, alice: User, anonymous: Client) -> None:
    chat = fill(alice, HOSTILE[kind])["chat"]
    token = share_chat(user_id=alice.pk, chat_id=chat, days=7, with_reasoning=True)

    page = anonymous.get(f"/shared/{token}/").content.decode()

    assert MARK in page
    assert faults(page) == []


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (f"<p>&lt;{MARK}&gt;</p>", 0),
        (f"<p><{MARK}></p>", 1),
        (f"<p title='{MARK}'>x</p>", 0),
        (f"<p {MARK}='1'>x</p>", 1),
        (f"<p onclick='{MARK}'>x</p>", 1),
        (f"<a href='javascript:{MARK}'>x</a>", 1),
        (f"<a href=' java\nscript:{MARK}'>x</a>", 1),
        (f"<a href='/?q=javascript:{MARK}'>x</a>", 0),
        (f"<script>{MARK}</script>", 1),
        (f"<script type='application/json'>\"{MARK}\"</script>", 0),
        (f"<!-- {MARK} -->", 1),
        (f"<html><body><main><p>{RLO}a <b>not</b></p></main>", 1),
        (f"<html><body><main><p>Of <bdi>{RLO}a</bdi> and more</p></main>", 0),
        (f"<html><body><main><p>Of {RLO}a</p></main>", 0),
        (f"<html><body><main><p dir=auto>{RLO}a and more</p></main>", 0),
        (f"<html dir=ltr><body><main><p>{RLO}a<i> and more</i></p></main>", 1),
    ],
)
def test_the_walk_sees_what_it_should(page: str, found: int) -> None:
    assert len(faults(page)) == found, re.sub(RLO, "RLO", page)
