"""What changes the ways into an account asks once more who one is."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import AuditEvent, Session, User
from tests.conftest import PASSWORD, signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("get", "/accounts/2fa/totp/activate/", {}),
    ("post", "/accounts/2fa/totp/activate/", {"code": "000000"}),
    ("get", "/accounts/2fa/totp/deactivate/", {}),
    ("post", "/accounts/2fa/totp/deactivate/", {}),
    ("get", "/accounts/2fa/recovery-codes/", {}),
    ("get", "/accounts/2fa/recovery-codes/download/", {}),
    ("get", "/accounts/2fa/recovery-codes/generate/", {}),
    ("post", "/accounts/2fa/recovery-codes/generate/", {}),
    ("get", "/accounts/2fa/webauthn/add/", {}),
    ("post", "/accounts/2fa/webauthn/add/", {"credential": "{}"}),
    ("get", "/accounts/2fa/webauthn/keys/KEY/edit/", {}),
    ("post", "/accounts/2fa/webauthn/keys/KEY/edit/", {"name": "x"}),
    ("get", "/accounts/2fa/webauthn/keys/KEY/remove/", {}),
    ("post", "/accounts/2fa/webauthn/keys/KEY/remove/", {}),
    ("get", "/accounts/3rdparty/", {}),
    ("post", "/accounts/3rdparty/", {"account": "ACCOUNT"}),
    ("post", "/accounts/email/", {"email": "new@example.com", "action_add": ""}),
    ("post", "/security/browsers/others/end/", {}),
]


@pytest.fixture
def owner(alice: User) -> User:
    TOTP.activate(alice, SECRET)
    RecoveryCodes.activate(alice)
    data = {"name": "Phone", "credential": {"clientExtensionResults": {}}}
    Authenticator.objects.create(user=alice, type=Authenticator.Type.WEBAUTHN, data=data)
    SocialAccount.objects.create(user=alice, provider="google", uid="1")
    return alice


@pytest.mark.parametrize(("method", "address", "form"), ASKED)
def test_it_works(method: str, address: str, form: dict[str, Any], owner: User) -> None:
    client = signed_in(owner)
    key = Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)
    address = address.replace("KEY", str(key.pk))
    form = {name: value.replace("ACCOUNT", str(SocialAccount.objects.get().pk)) for name, value in form.items()}
    before = list(Authenticator.objects.order_by("pk").values_list("pk", "data"))
    response = getattr(client, method)(address, form)

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/reauthenticate/?next=")
    assert list(Authenticator.objects.order_by("pk").values_list("pk", "data")) == before
    assert SocialAccount.objects.exists()
    assert not EmailAddress.objects.filter(email="new@example.com").exists()


def test_changing_the_password_takes_the_old_one(as_alice: Client, alice: User) -> None:
    new = "another horse battery staple"
    response = as_alice.post("/accounts/password/change/", {"oldpassword": "x", "password1": new, "password2": new})

    assert response.status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_first_password_is_never_kept_for_later(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(password="!")
    owner.refresh_from_db()
    client = signed_in(owner)
    new = "another horse battery staple"
    response = client.post("/accounts/password/set/", {"password1": new, "password2": new})

    assert response["Location"] == "/accounts/2fa/reauthenticate/?next=%2Faccounts%2Fpassword%2Fset%2F"
    owner.refresh_from_db()
    assert not owner.has_usable_password()
    assert new.split(maxsplit=1)[0] not in str(list(Session.objects.values_list("session_data", flat=True)))


def test_a_code_of_the_app_confirms_too(owner: User) -> None:
    client = signed_in(owner)
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()
    client.post("/accounts/2fa/reauthenticate/", {"code": codes[0]})

    assert client.get("/accounts/2fa/recovery-codes/").status_code == 200


def test_recovery_codes_are_shown_made_and_taken_along_and_the_trail_knows(owner: User) -> None:
    client = signed_in(owner)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    shown = client.get("/accounts/2fa/recovery-codes/").content.decode()
    file = client.get("/accounts/2fa/recovery-codes/download/")
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()

    assert all(code in shown and code in file.content.decode() for code in codes)
    assert "no-store" in client.get("/accounts/2fa/recovery-codes/")["Cache-Control"]
    assert "no-store" in file["Cache-Control"]
    with tenant(owner.pk):
        events = AuditEvent.objects.filter(kind__startswith="recovery.")
        assert [event.kind for event in events.order_by("at", "id")] == [
            "recovery.viewed", "recovery.downloaded", "recovery.viewed",
        ]  # fmt: skip
        assert not any(code in str(event.details) for event in events for code in codes)


def test_a_passkey_is_renamed_and_removed(owner: User) -> None:
    client = signed_in(owner)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    key = Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)
    client.post(f"/accounts/2fa/webauthn/keys/{key.pk}/edit/", {"name": "Laptop"})
    assert "Laptop" in client.get("/security/").content.decode()
    client.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/")

    assert not Authenticator.objects.filter(pk=key.pk).exists()
    with tenant(owner.pk):
        events = AuditEvent.objects.filter(kind__startswith="passkey.").order_by("at", "id")
        assert list(events.values_list("kind", "details")) == [
            ("passkey.renamed", {"name": "Laptop"}),
            ("passkey.removed", {"name": "Laptop"}),
        ]


def test_the_last_way_in_is_never_disconnected(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(password="!")
    owner.refresh_from_db()
    client = signed_in(owner)
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()
    client.post("/accounts/2fa/reauthenticate/", {"code": codes[0]})
    response = client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})

    assert "password" in response.content.decode()
    assert SocialAccount.objects.exists()


def test_a_provider_is_disconnected(owner: User) -> None:
    client = signed_in(owner)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})

    assert not SocialAccount.objects.exists()
    with tenant(owner.pk):
        assert AuditEvent.objects.get(kind="social.disconnected").details == {"provider": "google"}
