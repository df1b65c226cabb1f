"""Every address that takes an id × another person's id = 404, told in the very words of an id of nobody.

A new address with a parameter must say here what its ids are, or why it has none: the walk fails without.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from accounts.models import ApiToken, Profile, User
from apikeys import vault
from apikeys.models import FlagReason, KeyFlag
from chats.models import Chat, Handover, SharedLink
from chats.sharing import share_chat
from tests.conftest import PASSWORD, signed_in
from tests.rows import unsaved
from usage import metering
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

METHODS = ("get", "post", "put", "patch", "delete")
# What differs in two answers to the same question: tokens against forgery, nonces.
FRESH = re.compile(rb'(nonce|value|content)="[A-Za-z0-9_+/=-]{16,}"|"[A-Za-z0-9]{64}"')

# Not one person's, or the parameter itself is the permission.
OTHER: dict[str, str] = {
    "api/auth/signin/<str:provider>": "The name of a provider.",
    "api/auth/callback/<str:provider>": "The name of a provider.",
    r"^api(?:/(?P<rest>.*))?$": "Every address under /api that is none.",
    "accounts/reactivate/<str:token>/": "A signed token from a mail.",
    r"accounts/^confirm-email/(?P<key>[-:\w]+)/$": "A signed token from a mail.",
    r"accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": "A signed token from a mail.",
    "profile/<slug:name>/": "A section of one's own profile.",
    "mails/<str:token>/end/": "A signed token from a mail.",
    "shared/<str:token>/": "A random token: whoever has the link may read the chat.",
    "media/avatars/<uuid:picture>.webp": "A picture for whoever knows its random name, as pages show it to others.",
}


def _key(person: User) -> Any:
    secret = Secret(f"sk-proj-{uuid4().hex}")
    return vault.store_key(user_id=person.pk, provider="openai", secret=secret, key_name=uuid4().hex).pk


def _chat(person: User) -> Chat:
    with tenant(person.pk):
        chat = unsaved(Chat, person)
        chat.save(force_insert=True)
        return chat


def _handover(person: User) -> UUID:
    with tenant(person.pk):
        handover = unsaved(Handover, person)
        handover.save(force_insert=True)
        handover.refresh_from_db()
        return handover.reference


def _reservation(person: User) -> UUID:
    return metering.reserve(user_id=person.pk, provider="openai", model="gpt-4o", tokens=1).id


def _link(person: User) -> UUID:
    chat = _chat(person)
    share_chat(user_id=person.pk, chat_id=chat.pk, days=7, with_reasoning=False)
    with tenant(person.pk):
        return SharedLink.objects.get(chat=chat).pk


def _passkey(person: User) -> int:
    key: int = Authenticator.objects.create(
        user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "key", "credential": {}}
    ).pk
    return key


def _browser(person: User) -> int:
    key = signed_in(person).session.session_key
    browser: int = UserSession.objects.create(user=person, session_key=key, ip="192.0.2.1").pk
    return browser


def _flag(person: User) -> UUID:
    key_id = _key(person)
    with tenant(person.pk):
        return KeyFlag.objects.create(user=person, key_id=key_id, reason=FlagReason.FAILING).pk


def _token(person: User) -> UUID:
    with tenant(person.pk):
        token = unsaved(ApiToken, person)
        token.save(force_insert=True)
        return token.pk


@dataclass(frozen=True)
class Ids:
    """What an address's parameter names: makes one of a person's, and one of nobody's."""

    parameter: str
    of: Callable[[User], Any]
    of_nobody: Callable[[], Any] = uuid4


KEY = Ids("key_id", _key)
CHAT = Ids("chat_id", lambda person: _chat(person).pk)
CHAT_AS_SHOWN = Ids("chat_id", lambda person: _chat(person).shown_id, lambda: uuid4().hex)
HANDOVER = Ids("reference", _handover)
RESERVATION = Ids("reservation_id", _reservation)
FLAG = Ids("flag_id", _flag)
LINK = Ids("link_id", _link)
TOKEN = Ids("token_id", _token)
PASSKEY = Ids("pk", _passkey, lambda: 2**31 - 1)
BROWSER = Ids("browser_id", _browser, lambda: 2**31 - 1)
IDS: dict[str, Ids] = {
    "api/profile/api-keys/<uuidstr:key_id>": KEY,
    "api/profile/api-keys/<uuidstr:key_id>/validation": KEY,
    "api/chats/<path:chat_id>": CHAT_AS_SHOWN,
    "api/usage/reservations/<uuidstr:reservation_id>": RESERVATION,
    "accounts/2fa/webauthn/keys/<int:pk>/remove/": PASSKEY,
    "accounts/2fa/webauthn/keys/<int:pk>/edit/": PASSKEY,
    "security/browsers/<int:browser_id>/end/": BROWSER,
    "developers/tokens/<uuid:token_id>/revocation/": TOKEN,
    "keys/<uuid:key_id>/": KEY,
    "keys/<uuid:key_id>/secret/": KEY,
    "keys/<uuid:key_id>/secret/trial/": KEY,
    "keys/<uuid:key_id>/validation/": KEY,
    "keys/<uuid:key_id>/activation/": KEY,
    "keys/<uuid:key_id>/deletion/": KEY,
    "keys/flags/<uuid:flag_id>/dismissal/": FLAG,
    "chats/<uuid:chat_id>/": CHAT,
    "chats/<uuid:chat_id>/title/": CHAT,
    "chats/<uuid:chat_id>/sharing/": CHAT,
    "chats/<uuid:chat_id>/download.md": CHAT,
    "chats/<uuid:chat_id>/download.json": CHAT,
    "chats/links/<uuid:link_id>/withdrawal/": LINK,
    "import/<uuid:reference>/": HANDOVER,
}
# A body that gets past the validation of its shape, where {} does not.
BODIES: dict[tuple[str, str], Any] = {
    ("api/chats/<path:chat_id>", "patch"): {"title": "Another title"},
    ("api/chats/<path:chat_id>", "put"): {"title": "Another title"},
    ("api/profile/api-keys/<uuidstr:key_id>", "put"): {"keyName": "another"},
    ("api/usage/reservations/<uuidstr:reservation_id>", "put"): {"provider": "openai", "model": "gpt-4o"},
}


def addresses(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address with a parameter: its whole route, and its pattern."""
    for found in resolver.url_patterns:
        route = before + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from addresses(found, route)
        elif "<" in route:
            yield route, found


ROUTES = {route: pattern for route, pattern in addresses(get_resolver()) if not route.startswith("admin/")}


@pytest.fixture(autouse=True)
def _nowhere(settings: Settings) -> None:
    """Providers that do not answer: checking one's own key must reach no network."""
    settings.PROVIDER_BASE_URLS = dict.fromkeys(settings.PROVIDER_BASE_URLS, "http://127.0.0.1:9")


def fresh_from_password(person: User) -> Client:
    """A browser whose person gave their password a moment ago, so that nothing asks for it again."""
    client = signed_in(person)
    assert client.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code == 302
    return client


def asked(client: Client, route: str, method: str, value: Any) -> tuple[int, bytes]:
    """The status and the body that this route answers, without what differs each time."""
    url = "/" + re.sub(r"<[^>]+>", str(value), route)
    more: dict[str, Any] = {}
    if route.startswith("api/") and method != "get":
        more = {"data": BODIES.get((route, method), {}), "content_type": "application/json"}
    response = getattr(client, method)(url, **more)
    return response.status_code, FRESH.sub(b"", response.getvalue()).replace(f"/{value}".encode(), b"/ID")


def test_every_parameter_is_known() -> None:
    unknown = sorted(set(ROUTES) - set(IDS) - set(OTHER))
    assert unknown == [], "say in tests/wavelength/test_tenancy_urls.py what ids these addresses take"
    assert sorted({*IDS, *OTHER} - set(ROUTES)) == [], "these addresses are gone"


@pytest.mark.django_db
@pytest.mark.parametrize("route", IDS)
def test_anothers_id_is_nobodys(route: str, alice: User, bob: User) -> None:
    ids = IDS[route]
    as_alice, as_bob = fresh_from_password(alice), fresh_from_password(bob)
    served = []
    for method in METHODS:
        of_alice, of_nobody = ids.of(alice), ids.of_nobody()
        told = asked(as_bob, route, method, of_alice)
        assert told == asked(as_bob, route, method, of_nobody), method
        assert told[0] in (404, 405), f"{method}: {told}"
        if told[0] == 404:
            served.append(method)
            # Its owner finds it, so the 404 was for whose it is.
            assert asked(as_alice, route, method, of_alice)[0] not in (404, 405, 500), method
    assert served


@pytest.mark.django_db
@pytest.mark.parametrize("route", IDS)
def test_nobody_signed_in_is_told_nothing(route: str, alice: User, anonymous: Client) -> None:
    ids = IDS[route]
    for method in METHODS:
        told = asked(anonymous, route, method, ids.of(alice))
        assert told == asked(anonymous, route, method, ids.of_nobody()), method
        assert told[0] in (302, 401, 403, 404, 405), method


@pytest.mark.django_db
def test_the_admin_is_closed_to_people(as_bob: Client, alice: User) -> None:
    for model, model_admin in admin.site._registry.items():
        for url in (
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[alice.pk]),
        ):
            assert as_bob.get(url).status_code in (302, 403, 404), (url, model_admin)


@pytest.mark.django_db
def test_an_avatars_name_is_random_and_tells_nothing(alice: User) -> None:
    with tenant(alice.pk):
        profile = Profile.objects.get()
        names = {profile.avatar.field.generate_filename(profile, "alice.png") for _ in range(2)}
    assert len(names) == 2
    assert not any(str(alice.pk) in name or "alice" in name for name in names)
