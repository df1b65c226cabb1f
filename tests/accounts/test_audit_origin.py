"""What the audit trail says of where an event came from; every event that concerns the ways into an account."""

from typing import Any
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts import audit
from accounts.models import Actor, AuditEvent, Tier, User
from accounts.people import set_tier
from tests.accounts import test_mailed_codes as mailed_codes
from tests.accounts.test_twofactor_secret import SECRET
from tests.conftest import PASSWORD, signed_in
from wavelength.caller import Caller, serving
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(databases=["default", "operator"])

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEW_PASSWORD = "another horse battery staple"
# What no browser sends.
CREDENTIALS = (
    "5", "[1]", '"x"', '{"id": "x"}', '{"id": "eA", "rawId": "eA", "response": {}, "type": "public-key"}',
    '{"id": "eA", "rawId": "eA", "response": [], "type": "public-key"}', '{"rawId": 5, "id": "é"}',
)  # fmt: skip


def last(person: User) -> AuditEvent:
    with tenant(person.pk):
        event = AuditEvent.objects.order_by("-at", "-id").first()
        assert event is not None
        return event


def events(person: User) -> list[str]:
    with tenant(person.pk):
        return list(AuditEvent.objects.order_by("at", "id").values_list("kind", flat=True))


def sign_in(client: Client, email: str, password: str, **headers: Any) -> None:
    client.post("/accounts/login/", {"login": email, "password": password}, **headers)


def test_it_works(alice: User, anonymous: Client) -> None:
    sign_in(anonymous, alice.email, PASSWORD, HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")
    event = last(alice)

    assert (event.kind, event.details) == ("session.started", {"way": "password"})
    assert (event.actor, event.address, event.device) == (Actor.OWNER, "192.0.2.7", "Firefox on Linux")
    assert event.request_id


def test_an_event_of_the_api_says_so_too(alice: User, as_alice: Client) -> None:
    key = {"provider": "openai", "apiKey": "sk-proj-0f3a5b7c9d1e2f4a6b8c"}
    as_alice.post("/api/profile/api-keys", key, content_type="application/json", HTTP_USER_AGENT="curl/8.9.0")
    event = last(alice)

    assert (event.kind, event.actor, event.address, event.device) == ("key.added", Actor.OWNER, "127.0.0.1", "curl")


def test_without_a_request_it_was_wavelength_itself(alice: User) -> None:
    set_tier(user_id=alice.pk, tier=Tier.PRO)
    event = last(alice)

    assert (event.actor, event.address, event.device, event.request_id) == (Actor.SYSTEM, None, None, None)


def test_a_command_is_an_operator_s_act(alice: User) -> None:
    call_command("set_tier", alice.email, "pro", verbosity=0)
    event = last(alice)

    assert (event.actor, event.address, event.device, event.request_id) == (Actor.OPERATOR, None, "manage.py", None)
    audit.record_for(alice.pk, "test.happened")
    assert last(alice).actor == Actor.SYSTEM, "only while the command is at work"


def test_an_administrator_is_named_as_one(alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.refresh_from_db()
    request = RequestFactory().get("/")
    request.user = bob

    with serving(Caller(request)):
        audit.record_for(alice.pk, "quota.set")

    assert last(alice).actor == Actor.OPERATOR


def test_a_request_id_is_believed_of_a_proxy_alone(alice: User, settings: Settings) -> None:
    said = []
    for behind in (False, True):
        settings.BEHIND_PROXY = behind
        sign_in(Client(), alice.email, PASSWORD, HTTP_X_REQUEST_ID="from-the-proxy")
        said.append(last(alice).request_id)

    assert said[0] != "from-the-proxy"
    assert said[1] == "from-the-proxy"


@pytest.mark.parametrize("told", ["x" * 65, "a b", "<script>", "\u202e"])
def test_a_hostile_request_id_is_replaced(told: str, alice: User, settings: Settings) -> None:
    settings.BEHIND_PROXY = True
    sign_in(Client(), alice.email, PASSWORD, HTTP_X_REQUEST_ID=told)

    assert told not in str(last(alice).request_id)


def test_a_wrong_password_is_remembered_by_whose_it_would_have_been(alice: User, bob: User, anonymous: Client) -> None:
    sign_in(anonymous, "ALICE@example.com", "wrong", HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.9")
    event = last(alice)

    assert (event.kind, event.actor, event.address) == ("session.failed", Actor.STRANGER, "192.0.2.9")
    assert "wrong" not in str(event.details)
    assert "session.failed" not in events(bob)


def test_a_wrong_password_of_nobody_is_no_ones_event(alice: User, anonymous: Client) -> None:
    sign_in(anonymous, "nobody@example.com", "wrong")
    assert "session.failed" not in events(alice)


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_refused_passkey_is_remembered_as_a_refused_code_is(
    credential: str, alice: User, bob: User, as_alice: Client, anonymous: Client
) -> None:
    TOTP.activate(alice, SECRET)
    sign_in(anonymous, alice.email, PASSWORD)
    page = anonymous.post("/accounts/2fa/authenticate/", {"credential": credential}, REMOTE_ADDR="192.0.2.9")
    assert page.status_code == 200
    event = last(alice)
    assert (event.kind, event.actor, event.details, event.address) == (
        "session.failed", Actor.STRANGER, {"way": "passkey"}, "192.0.2.9"
    )  # fmt: skip

    Authenticator.objects.create(user=alice, type=Authenticator.Type.WEBAUTHN, data={"name": "x", "credential": {}})
    as_alice.post("/accounts/2fa/webauthn/reauthenticate/", {"credential": credential})
    event = last(alice)
    assert (event.kind, event.actor, event.details) == ("confirmation.failed", Actor.OWNER, {"way": "passkey"})
    assert len(events(bob)) == 1


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_passkey_of_nobody_is_refused_and_no_ones_event(credential: str, alice: User, anonymous: Client) -> None:
    page = anonymous.post("/accounts/2fa/webauthn/login/", {"credential": credential})
    assert (page.status_code, page["Location"]) == (302, "/accounts/login/")
    assert events(alice) == ["account.created"]


def test_the_right_password_of_an_account_that_is_off_is_a_failure(alice: User, anonymous: Client) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    sign_in(anonymous, alice.email, PASSWORD, REMOTE_ADDR="192.0.2.9")
    event = last(alice)
    assert (event.kind, event.actor, event.details, event.address) == (
        "session.failed", Actor.STRANGER, {"way": "password", "reason": "inactive"}, "192.0.2.9"
    )  # fmt: skip


def test_the_door_for_strangers_writes_one_kind_and_reads_nothing(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT record_failed_signin(%s, %s, %s, '192.0.2.1', %s, %s)",
            [UUID(int=8), alice.email, "x" * 999, "y" * 999, "z" * 999],
        )
        cursor.execute("SELECT count(*) FROM accounts_auditevent")
        assert cursor.fetchone() == (0,)
    event = last(alice)
    assert (event.kind, event.actor, len(event.details["way"])) == ("session.failed", "stranger", 16)


def test_a_password_is_changed_reset_and_set(alice: User, as_alice: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    as_alice.post("/accounts/password/change/", form)
    assert events(alice)[-1] == "password.changed"

    User.objects.filter(pk=alice.pk).update(password="!")
    alice.refresh_from_db()
    client = signed_in(alice)
    client.post(mailed_codes.PAGE, {"code": mailed_codes.code_for(client)})
    client.post("/accounts/password/set/", {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert events(alice)[-1] == "password.set"


def test_an_address_is_asked_for_and_given_up(alice: User, as_alice: Client) -> None:
    as_alice.post("/accounts/reauthenticate/", {"password": PASSWORD})
    as_alice.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
    assert (last(alice).kind, last(alice).details) == ("email.change_asked", {"after": "new@example.com"})
    as_alice.post("/accounts/email/", {"email": "new@example.com", "action_remove": ""})
    assert last(alice).kind == "email.change_cancelled"
