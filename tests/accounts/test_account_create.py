"""manage.py create_account and set_tier."""

from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEvent, DataKey, Profile, User
from tests.conftest import PASSWORD
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db


def run(*args: str) -> str:
    output = StringIO()
    call_command(*args, stdout=output)
    return output.getvalue()


def kinds(user: User) -> list[str]:
    with tenant(user.pk):
        return list(AuditEvent.objects.order_by("at", "id").values_list("kind", flat=True))


def test_it_creates_all_that_an_account_needs() -> None:
    output = run("create_account", "Dora@Example.com", "--name", "Dora", "--tier", "pro", "--staff")
    dora = User.objects.get(email="dora@example.com")
    assert (dora.name, dora.tier, dora.is_staff, dora.has_usable_password()) == ("Dora", "pro", True, False)
    assert not EmailAddress.objects.get(user=dora).verified
    with tenant(dora.pk):
        assert Profile.objects.get().display_name == "Dora"
        assert DataKey.objects.count() == 1
        assert AuditEvent.objects.get(kind="account.created").details == {"way": "command"}
    assert "no password yet" in output


def test_a_password_from_stdin_signs_in(monkeypatch: pytest.MonkeyPatch, anonymous: Client) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))
    output = run("create_account", "dora@example.com", "--verified", "--password-stdin")
    assert PASSWORD not in output
    response = anonymous.post("/accounts/login/", {"login": "dora@example.com", "password": PASSWORD})
    assert response.status_code == 302
    assert anonymous.get("/api/profile").status_code == 200


def test_without_a_password_a_reset_sets_one(anonymous: Client) -> None:
    run("create_account", "dora@example.com", "--verified")
    anonymous.post("/accounts/password/reset/", {"email": "dora@example.com"})
    assert "/accounts/password/reset/key/" in str(mail.outbox[0].body)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["ALICE@example.com"], "alice@example.com exists"),
        (["not-an-address"], "not an e-mail address"),
        (["dora@example.com", "--name", "x" * 151], "at most 150"),
    ],
)
def test_a_refusal_is_a_sentence_and_leaves_nothing(alice: User, args: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run("create_account", *args)
    assert User.objects.count() == 1


def test_a_weak_password_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("hunter2\n"))
    with pytest.raises(CommandError, match="at least 10") as refused:
        run("create_account", "dora@example.com", "--password-stdin")
    assert "hunter2" not in str(refused.value)
    assert not User.objects.exists()


def test_set_tier_moves_a_person_and_remembers(alice: User) -> None:
    assert "pro now" in run("set_tier", "Alice@Example.com", "pro")
    alice.refresh_from_db()
    assert alice.tier == "pro"
    with tenant(alice.pk):
        assert AuditEvent.objects.get(kind="account.tier_changed").details == {"before": "free", "after": "pro"}


def test_set_tier_to_the_same_changes_nothing(alice: User) -> None:
    assert "already" in run("set_tier", "alice@example.com", "free")
    assert kinds(alice) == ["account.created"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [(["nobody@example.com", "pro"], "no account"), (["alice@example.com", "gold"], "Tiers are: free, pro")],
)
def test_set_tier_says_what_is_wrong(alice: User, args: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run("set_tier", *args)
    assert kinds(alice) == ["account.created"]
