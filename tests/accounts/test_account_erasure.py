"""The end of an account: asked for, called off, carried out."""

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import erasure
from accounts.deactivation import LinkError, deactivate, reactivate, reactivation_token
from accounts.due import people_due
from accounts.models import AnonymousSession, DataKey, ErasureRecord, ErasureRequest, Profile, Session, User, Way
from accounts.tasks import erase_due
from tests.conftest import PASSWORD, make_person, signed_in
from tests.rows import MAKERS, stored
from usage.models import AnonymousDay
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
ASK = "accounts:erasure"
CALL_OFF = "accounts:erasure-cancel"
# What names people beside the tables of their own.
PACKAGES = {
    "accounts_user", "accounts_session", "accounts_anonymoussession", "usage_anonymousday", "account_emailaddress",
    "account_emailconfirmation", "socialaccount_socialaccount", "mfa_authenticator", "usersessions_usersession",
    "django_admin_log", "procrastinate_jobs",
}  # fmt: skip
LEFTOVERS = """
    SELECT format('SELECT %%1$L, count(*) FROM %%1$I t WHERE strpos(lower(t::text), lower(%%2$L)) > 0', c.relname, %s)
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def confirm(client: Client) -> None:
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def request_of(person: User) -> ErasureRequest | None:
    with tenant(person.pk):
        return ErasureRequest.objects.filter(user=person).first()


def wait(person: User) -> None:
    """The days of grace go by."""
    with tenant(person.pk):
        ErasureRequest.objects.filter(user=person).update(happens_at=timezone.now() - timedelta(seconds=1))


def mentions(needle: str) -> dict[str, int]:
    """Every table in which this text stands in any column of any row, as the owner sees them."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(LEFTOVERS, [needle])
        counts = []
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
            counts += cursor.fetchall()
    return {table: count for table, count in counts if count}


def make_everything(person: User) -> None:
    """A row of this person's in every table that can hold one, a picture, and something in the cache."""
    for model in MAKERS:
        if model is not ErasureRequest:
            stored(model, person)
    with tenant(person.pk):
        profile = Profile.objects.get(user=person)
        profile.avatar.save("picture.webp", ContentFile(b"picture"))
    signed_in(person)
    address = EmailAddress.objects.get(user=person)
    EmailConfirmation.objects.create(email_address=address, key=f"key of {person.pk}", sent=timezone.now())
    SocialAccount.objects.create(user=person, provider="google", uid=person.email)
    Authenticator.objects.create(user=person, type="recovery_codes", data={})
    UserSession.objects.create(user=person, ip="127.0.0.1", session_key=person.pk.hex, user_agent="Browser")
    Session.objects.create(
        session_key=f"x{person.pk.hex[1:]}",
        session_data=json.dumps({"account_login": {"email": person.email}}),
        expire_date=timezone.now() + timedelta(days=1),
    )
    AnonymousSession.objects.create(anonymous_id=f"browser of {person.pk}", claimed_by=person)
    AnonymousDay.objects.create(
        day=timezone.now().date(), scope=AnonymousDay.Scope.SESSION, name=f"browser of {person.pk}", messages=1
    )
    with connections["operator"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_admin_log (action_time, user_id, content_type_id, object_id, object_repr, action_flag,"
            " change_message) VALUES (now(), %s, %s, %s, %s, 2, '')",
            [person.pk, ContentType.objects.get_for_model(User).pk, str(person.pk), person.email],
        )
    app.configure_task("chats.tasks.index_chats_of").defer(user_id=str(person.pk))
    cache.set(f"reactivation-letter:{person.pk}", 1)


def test_it_is_asked_for(
    alice: User, as_alice: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    confirm(as_alice)
    with django_capture_on_commit_callbacks(execute=True):
        page = as_alice.post(reverse(ASK), {"email": "Alice@example.com"}, follow=True).content.decode()

    assert "until then you can call it off" in page
    request = request_of(alice)
    assert request is not None
    assert request.happens_at - request.asked_at == timedelta(days=30)
    [letter] = [letter for letter in mail.outbox if letter.subject == "Your account will be erased"]
    assert letter.to == [alice.email]
    assert "http://testserver/privacy/" in str(letter.body)
    # Until then, everything works as ever.
    assert as_alice.get("/api/profile").status_code == 200


def test_asking_again_does_not_move_it(alice: User) -> None:
    first = erasure.ask(user_id=alice.pk)
    assert erasure.ask(user_id=alice.pk).happens_at == first.happens_at


@pytest.mark.parametrize("typed", ["", "bob@example.com"])
def test_another_address_asks_for_nothing(typed: str, alice: User, as_alice: Client) -> None:
    confirm(as_alice)
    assert b"errorlist" in as_alice.post(reverse(ASK), {"email": typed}).content
    assert request_of(alice) is None


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_asks_who_one_is_first(method: str, alice: User, as_alice: Client) -> None:
    response = getattr(as_alice, method)(reverse(ASK), {"email": alice.email})
    assert response["Location"].startswith("/accounts/reauthenticate/?next=")
    assert request_of(alice) is None


@pytest.mark.parametrize("name", [ASK, CALL_OFF])
def test_signed_out_it_asks_to_sign_in(name: str, anonymous: Client) -> None:
    assert anonymous.post(reverse(name))["Location"].startswith("/accounts/login/")


def test_it_is_called_off(alice: User, bob: User, as_alice: Client) -> None:
    erasure.ask(user_id=alice.pk)
    erasure.ask(user_id=bob.pk)
    assert as_alice.get(reverse(CALL_OFF)).status_code == 405
    page = as_alice.post(reverse(CALL_OFF), follow=True).content.decode()

    assert "Your account stays." in page
    assert request_of(alice) is None
    assert request_of(bob) is not None
    assert "Your account stays." not in as_alice.post(reverse(CALL_OFF), follow=True).content.decode()


def test_a_deactivated_account_is_erased_in_its_time(alice: User) -> None:
    erasure.ask(user_id=alice.pk)
    gone = deactivate(user_id=alice.pk)
    request = request_of(alice)
    assert request is not None
    assert request.way == Way.DEACTIVATED
    assert gone.deactivated_at is not None
    assert abs(request.happens_at - gone.deactivated_at - timedelta(days=30)) < timedelta(minutes=1)

    reactivate(reactivation_token(gone))
    assert request_of(alice) is None


def test_nobody_goes_before_their_time(alice: User, bob: User) -> None:
    erasure.ask(user_id=alice.pk)
    assert list(people_due("erasure")) == []
    assert not erasure.erase(user_id=alice.pk)
    assert not erasure.erase(user_id=bob.pk)
    with tenant(alice.pk):
        assert DataKey.objects.filter(user=alice).exists()
    alice.refresh_from_db()
    assert alice.is_active


@pytest.fixture
def whole(transactional_db: None) -> User:
    """Somebody with something everywhere; committed, so that the owner's connection sees it."""
    person = make_person("erased.person@example.com", "Erased")
    make_everything(person)
    return person


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_nothing_is_left_of_who_is_erased(whole: User) -> None:
    other = make_person("kept.person@example.com", "Kept")
    make_everything(other)
    kept = mentions(str(other.pk)), mentions(other.email)
    # Every table that can name somebody does, so that the walk after it cannot pass by being empty.
    named = mentions(str(whole.pk)) | mentions(whole.email)
    assert {model._meta.db_table for model in MAKERS} - {"accounts_erasurerequest"} | PACKAGES <= set(named)
    picture = _picture(whole)

    erasure.ask(user_id=whole.pk)
    wait(whole)
    erase_due(timestamp=0)

    assert mentions(str(whole.pk)) == {}
    assert mentions(whole.pk.hex) == {}
    assert mentions(whole.email) == {}
    assert not default_storage.exists(picture)
    assert default_storage.exists(_picture(other))
    assert not cache.has_key(f"reactivation-letter:{whole.pk}")
    assert (mentions(str(other.pk)), mentions(other.email)) == kept
    record = ErasureRecord.objects.get()
    assert record.way == Way.ASKED
    assert record.counts["chats"] == record.counts["keys"] == record.counts["usage"] == 1


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_killed_after_the_key_it_goes_on(whole: User, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = deactivate(user_id=whole.pk)
    token = reactivation_token(gone)
    wait(whole)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="away"):
        patch.setattr(default_storage, "delete", _away)
        erasure.erase(user_id=whole.pk)

    # The key is gone for good, the rest is still whole, and there is no way back.
    with tenant(whole.pk):
        assert not DataKey.objects.filter(user=whole).exists()
        assert Profile.objects.filter(user=whole).exists()
    assert not ErasureRecord.objects.exists()
    with pytest.raises(LinkError):
        reactivate(token)
    assert not erasure.call_off(user_id=whole.pk)
    assert list(people_due("erasure")) == [whole.pk]

    erase_due(timestamp=0)
    assert mentions(str(whole.pk)) == {}
    assert list(people_due("erasure")) == []


def test_the_function_takes_nobody_whose_key_is_there(alice: User, bob: User) -> None:
    erasure.ask(user_id=alice.pk)
    wait(alice)
    with tenant(alice.pk):
        ErasureRequest.objects.filter(user=alice).update(begun_at=timezone.now())
    with connections["default"].cursor() as cursor:
        for person in (alice, bob):
            cursor.execute("SELECT erase_person(%s)", [person.pk])
            assert cursor.fetchone() == (None,)
    assert User.objects.count() == 2


def test_the_command_waits(alice: User) -> None:
    out = io.StringIO()
    call_command("erase_account", "Alice@example.com", stdout=out)
    request = request_of(alice)
    assert request is not None
    assert request.way == Way.COMMAND
    assert f"{request.happens_at:%Y-%m-%d}" in out.getvalue()


def test_the_command_erases_at_once(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: "bob@example.com")
    with pytest.raises(CommandError, match="another address"):
        call_command("erase_account", alice.email, "--now")
    assert request_of(alice) is None
    call_command("erase_account", alice.email, "--now", "--noinput", stdout=io.StringIO())
    assert list(User.objects.all()) == [bob]
    with pytest.raises(CommandError, match="no account"):
        call_command("erase_account", alice.email)


def _picture(person: User) -> str:
    with tenant(person.pk):
        return str(Profile.objects.get(user=person).avatar.name)


def _away(name: str) -> None:
    raise OSError("The storage is away.")
