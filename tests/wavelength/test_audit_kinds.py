"""Every kind of event that the audit trail knows, and how each comes about: once, for its person and nobody else."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.signals import authenticator_added
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, TOTP
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.signals import social_account_added
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts import archives, erasure, people
from accounts.activity import SENTENCES
from accounts.browsers import end_browser, end_other_browsers
from accounts.deactivation import deactivate, reactivate, reactivation_token
from accounts.models import Actor, ApiToken, AuditEvent, User
from accounts.tokens import revoke_token
from apikeys import vault, watching
from apikeys.models import FlagReason, KeyFlag
from chats.models import Chat, SharedLink, Source
from chats.sharing import share_chat, withdraw_link
from chats.sync import take_over
from tests.accounts import test_mailed_codes as mailed_codes
from tests.accounts.test_twofactor_secret import SECRET, code_now
from tests.chats.payloads import chat, payload
from tests.conftest import PASSWORD, signed_in
from tests.rows import stored
from usage import metering, quotas
from usage.models import Period, UsageRecord
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(databases=["default", "operator"])
NEW_PASSWORD = "another horse battery staple"
OPENAI = "sk-proj-0f3a5b7c9d1e2f4a6b8c"


@dataclass
class Scene:
    """Somebody, signed in and lately confirmed, and what a test needs beside."""

    person: User
    browser: Client = field(init=False)

    def __post_init__(self) -> None:
        self.browser = signed_in(self.person)
        self.post("/accounts/reauthenticate/", password=PASSWORD)

    @property
    def id(self) -> UUID:
        return self.person.pk

    def post(self, url: str, **form: Any) -> Any:
        response = self.browser.post(url, form)
        assert response.status_code in (200, 302), (url, response.status_code)
        return response

    def command(self, *arguments: str) -> None:
        call_command(*arguments, verbosity=0, stdout=StringIO())

    def key(self, **changes: Any) -> Any:
        with tenant(self.id):
            key = vault.store_key(user_id=self.id, provider="openai", secret=Secret(OPENAI))
        return vault.change_key(user_id=self.id, key_id=key.pk, **changes) if changes else key

    def passkey(self) -> Authenticator:
        data = {"name": "Key", "credential": {"clientExtensionResults": {}}}
        made: Authenticator = Authenticator.objects.create(
            user=self.person, type=Authenticator.Type.WEBAUTHN, data=data
        )
        return made

    def link(self) -> None:
        row = stored(Chat, self.person)
        share_chat(user_id=self.id, chat_id=row.pk, days=1, with_reasoning=False)


def sign_in(scene: Scene, password: str = PASSWORD) -> None:
    Client().post("/accounts/login/", {"login": scene.person.email, "password": password})


def end_a_browser(scene: Scene) -> None:
    other = UserSession.objects.create(user=scene.person, session_key="x", ip="127.0.0.1", user_agent="", data={})
    end_browser(user_id=scene.id, browser_id=other.pk)


def end_others(scene: Scene) -> None:
    signed_in(scene.person)
    end_other_browsers(user_id=scene.id, here=scene.browser.session.session_key)


def ask_for_address(scene: Scene) -> None:
    scene.post("/accounts/email/", email="new@example.com", action_add="")


def give_address_up(scene: Scene) -> None:
    ask_for_address(scene)
    scene.post("/accounts/email/", email="new@example.com", action_remove="")


def confirm_address(scene: Scene) -> None:
    ask_for_address(scene)
    key = EmailConfirmationHMAC.create(EmailAddress.objects.get(email="new@example.com")).key
    scene.post(f"/accounts/confirm-email/{key}/")


def set_password(scene: Scene) -> None:
    User.objects.filter(pk=scene.id).update(password="!")
    scene.person.refresh_from_db()
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    browser = signed_in(scene.person)
    browser.post(mailed_codes.PAGE, {"code": mailed_codes.code_for(browser)})
    browser.post("/accounts/password/set/", form)


def reset_password(scene: Scene) -> None:
    browser = Client()
    browser.post("/accounts/password/reset/", {"email": scene.person.email})
    link = re.search(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    assert link
    page = browser.get(link[1], follow=True)
    browser.post(page.redirect_chain[-1][0], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})


def switch_totp_on(scene: Scene) -> None:
    scene.browser.get("/accounts/2fa/totp/activate/")
    scene.post("/accounts/2fa/totp/activate/", code=code_now(scene.browser.session[SECRET_SESSION_KEY]))


def make_codes(scene: Scene) -> None:
    TOTP.activate(scene.person, SECRET)
    scene.post("/accounts/2fa/recovery-codes/generate/")


def with_totp(url: str, *, method: str = "get", **form: Any) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        TOTP.activate(scene.person, SECRET)
        RecoveryCodes.activate(scene.person)
        if method == "post":
            scene.post(url, **form)
        else:
            assert scene.browser.get(url).status_code == 200

    return act


def name_passkey(scene: Scene) -> None:
    scene.post(f"/accounts/2fa/webauthn/keys/{scene.passkey().pk}/edit/", name="Other")


def add_passkey(scene: Scene) -> None:
    # A browser's part is played by the browser tests.
    authenticator_added.send(Authenticator, request=None, user=scene.person, authenticator=scene.passkey())


def connect_provider(scene: Scene) -> None:
    account = SimpleNamespace(provider="google")
    login = SimpleNamespace(user=scene.person, account=account, _did_authenticate_by_email=False)
    social_account_added.send(SocialAccount, request=None, sociallogin=login)


def disconnect_provider(scene: Scene) -> None:
    account = SocialAccount.objects.create(user=scene.person, provider="google", uid="1")
    scene.post("/accounts/3rdparty/", account=account.pk)


def come_back(scene: Scene) -> None:
    reactivate(reactivation_token(deactivate(user_id=scene.id)))


def call_off(scene: Scene) -> None:
    erasure.ask(user_id=scene.id)
    erasure.call_off(user_id=scene.id)


def download_archive(scene: Scene) -> None:
    archives.ask(user_id=scene.id)
    assert archives.make(user_id=scene.id)
    response = scene.browser.get(reverse("accounts:archive-file"))
    assert b"".join(response)


def withdraw(scene: Scene) -> None:
    scene.link()
    with tenant(scene.id):
        link = SharedLink.objects.get().pk
    withdraw_link(user_id=scene.id, link_id=link)


def download_chats(scene: Scene) -> None:
    row = stored(Chat, scene.person)
    assert b"".join(scene.post(reverse("chats:download"), chat=row.pk))


def export_usage(scene: Scene) -> None:
    response: Any = scene.browser.get(reverse("usage:export"))
    assert b"".join(response)


def hand_over(scene: Scene) -> None:
    body = json.dumps(payload(chat("c1"))).encode()
    take_over(user_id=scene.id, body=body, source=Source.MIGRATION)


def reprice(scene: Scene) -> None:
    metering.record_usage(user_id=scene.id, provider="openai", model="gpt-4o", input_tokens=1000)
    with tenant(scene.id):
        UsageRecord.objects.update(computed_cost=9)
    scene.command("reprice_usage", "--since", "2020-01-01")


def limit_and_free(scene: Scene) -> None:
    scene.command("set_quota", scene.person.email, "--provider", "openai", "--tokens", "5")
    scene.command("set_quota", scene.person.email, "--provider", "openai", "--remove")


def budget_and_none(scene: Scene) -> None:
    quotas.set_budget(user_id=scene.id, period=Period.DAILY, cost=Decimal(1))
    quotas.remove_budget(user_id=scene.id, period=Period.DAILY)


def changed(**values: Any) -> Callable[[Scene], object]:
    """What the admin's form does (tests/accounts/test_operator_looks.py goes through the form)."""
    return lambda scene: people.change_account(user_id=scene.id, **values)


def switch_on(scene: Scene) -> None:
    User.objects.filter(pk=scene.id).update(is_active=False)
    people.change_account(user_id=scene.id, is_active=True)


def no_staff(scene: Scene) -> None:
    User.objects.filter(pk=scene.id).update(is_staff=True)
    people.change_account(user_id=scene.id, is_staff=False)


def flagged(reason: FlagReason) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        key = scene.key()
        with tenant(scene.id):
            watching.flag(key, reason)

    return act


def dismiss(scene: Scene) -> None:
    flagged(FlagReason.EXPOSED)(scene)
    with tenant(scene.id):
        found = KeyFlag.objects.get().pk
    watching.dismiss(user_id=scene.id, flag_id=found)


def hand_key_over(scene: Scene) -> None:
    with tenant(scene.id):
        vault.store_migrated_key(user_id=scene.id, provider="openai", secret=Secret(OPENAI))


def revoke(scene: Scene) -> None:
    scene.post(reverse("accounts:token-create"), name="script", days=30)
    with tenant(scene.id):
        token = ApiToken.objects.get().pk
    revoke_token(user_id=scene.id, token_id=token)


TOTP_PAGES = "/accounts/2fa"
HOW: dict[str, Callable[[Scene], object]] = {
    "account.created": lambda scene: None,
    "account.tier_changed": lambda scene: scene.command("set_tier", scene.person.email, "pro"),
    "account.looked_at": lambda scene: scene.command("check_ledger", "--user", scene.person.email),
    "account.renamed": changed(name="Other"),
    "account.switched_off": changed(is_active=False),
    "account.switched_on": switch_on,
    "account.staff_on": changed(is_staff=True),
    "account.staff_off": no_staff,
    "account.deactivated": lambda scene: deactivate(user_id=scene.id),
    "account.reactivated": come_back,
    "account.erasure_asked": lambda scene: scene.command("erase_account", scene.person.email),
    "account.erasure_called_off": call_off,
    "archive.asked": lambda scene: scene.post(reverse("accounts:archive")),
    "archive.downloaded": download_archive,
    "session.started": sign_in,
    "session.failed": lambda scene: sign_in(scene, "wrong"),
    "session.ended": end_a_browser,
    "session.others_ended": end_others,
    "confirmation.failed": lambda scene: scene.post("/accounts/reauthenticate/", password="wrong"),
    "email.change_asked": ask_for_address,
    "email.change_cancelled": give_address_up,
    "email.changed": confirm_address,
    "password.set": set_password,
    "password.changed": lambda scene: scene.post(
        "/accounts/password/change/", oldpassword=PASSWORD, password1=NEW_PASSWORD, password2=NEW_PASSWORD
    ),
    "password.reset": reset_password,
    "twofactor.on": switch_totp_on,
    "twofactor.off": with_totp(f"{TOTP_PAGES}/totp/deactivate/", method="post"),
    "recovery.made": make_codes,
    "recovery.viewed": with_totp(f"{TOTP_PAGES}/recovery-codes/"),
    "recovery.downloaded": with_totp(f"{TOTP_PAGES}/recovery-codes/download/"),
    "recovery.removed": with_totp(f"{TOTP_PAGES}/totp/deactivate/", method="post"),
    "passkey.added": add_passkey,
    "passkey.renamed": name_passkey,
    "passkey.removed": lambda scene: scene.post(f"{TOTP_PAGES}/webauthn/keys/{scene.passkey().pk}/remove/"),
    "social.connected": connect_provider,
    "social.disconnected": disconnect_provider,
    "token.made": lambda scene: scene.post(reverse("accounts:token-create"), name="script", days=30),
    "token.revoked": revoke,
    "key.added": hand_key_over,
    "key.replaced": lambda scene: scene.key(secret=Secret("sk-proj-9f3a5b7c9d1e2f4a6b8c")),
    "key.deleted": lambda scene: vault.delete_key(user_id=scene.id, key_id=scene.key().pk),
    "key.failing": flagged(FlagReason.FAILING),
    "key.unusual": flagged(FlagReason.UNUSUAL),
    "key.exposed": lambda scene: watching.look_for_keys(
        user_id=scene.key().user_id, texts=[f"my key is {OPENAI}"], place="chat"
    ),
    "key.flag_dismissed": dismiss,
    "key.renamed": lambda scene: scene.key(key_name="Other"),
    "key.switched_off": lambda scene: scene.key(is_active=False),
    "key.switched_on": lambda scene: vault.change_key(
        user_id=scene.id, key_id=scene.key(is_active=False).pk, is_active=True
    ),
    "key.limited": lambda scene: scene.key(daily_limit=5),
    "chat.downloaded": download_chats,
    "chat.shared": Scene.link,
    "chat.share_withdrawn": withdraw,
    "handover.finished": hand_over,
    "quota.set": lambda scene: scene.command("set_quota", scene.person.email, "--tokens", "5"),
    "quota.removed": limit_and_free,
    "budget.set": lambda scene: quotas.set_budget(user_id=scene.id, period=Period.DAILY, cost=Decimal(1)),
    "budget.removed": budget_and_none,
    "usage.exported": export_usage,
    "usage.repriced": reprice,
}
BY_OPERATORS = {
    "account.tier_changed", "account.looked_at", "account.erasure_asked", "quota.set", "quota.removed",
    "usage.repriced",
}  # fmt: skip
SECRETS = (PASSWORD, NEW_PASSWORD, OPENAI, SECRET)


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def events(person: User) -> list[AuditEvent]:
    with tenant(person.pk):
        return list(AuditEvent.objects.order_by("at", "id"))


def test_the_table_has_every_kind() -> None:
    assert set(HOW) == set(SENTENCES)


@pytest.mark.parametrize("kind", HOW)
def test_it_comes_about(kind: str, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a test nothing is committed, and what waits for it belongs to its request.
    monkeypatch.setattr(transaction, "on_commit", lambda call, **_: call())
    HOW[kind](Scene(alice))
    found = [event for event in events(alice) if event.kind == kind]

    assert len(found) == 1
    assert (found[0].actor == Actor.OPERATOR) == (kind in BY_OPERATORS)
    assert not [secret for secret in SECRETS if secret in str(found[0].details)]
    assert [event.kind for event in events(bob)] == ["account.created"]


@pytest.mark.parametrize("kind", ["key.added", "key.replaced", "key.deleted", "key.switched_off", "key.limited"])
def test_a_key_is_told_by_its_hint(kind: str, alice: User) -> None:
    HOW[kind](Scene(alice))
    [event] = [event for event in events(alice) if event.kind == kind]
    assert event.details["hint"] == "6b8c"
    assert "…6b8c" in signed_in(alice).get(reverse("accounts:activity-list")).content.decode()


@pytest.mark.parametrize(
    ("kind", "actor"),
    [("session.failed", Actor.STRANGER), ("session.started", Actor.OWNER), ("key.added", Actor.SYSTEM)],
)
def test_it_says_who(kind: str, actor: Actor, alice: User) -> None:
    HOW[kind](Scene(alice))
    assert {event.actor for event in events(alice) if event.kind == kind} == {actor}


def test_an_account_made_by_hand_is_an_operator_s_act(db: None) -> None:
    call_command("create_account", "eve@example.com", verbosity=0, stdout=StringIO())
    [event] = events(User.objects.get(email="eve@example.com"))
    assert (event.kind, event.actor, event.device) == ("account.created", Actor.OPERATOR, "manage.py")


def test_an_administrator_s_account_says_so_from_the_first(db: None) -> None:
    call_command("create_account", "eve@example.com", "--staff", verbosity=0, stdout=StringIO())
    told = events(User.objects.get(email="eve@example.com"))
    assert [event.kind for event in told] == ["account.created", "account.staff_on"]
    assert {event.actor for event in told} == {Actor.OPERATOR}


def test_a_hand_over_by_hand_is_an_operator_s_act(alice: User, tmp_path: Path) -> None:
    file = tmp_path / "browser.json"
    file.write_text(json.dumps(payload(chat("c1"))))
    call_command("migrate_anonymous", str(file), "--user", alice.email, verbosity=0, stdout=StringIO())
    [event] = [event for event in events(alice) if event.kind == "handover.finished"]
    assert event.actor == Actor.OPERATOR
