"""Mails to people whose keys stopped working."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts.due import people_due
from accounts.models import Mail, User
from accounts.profile import change_profile
from apikeys import vault
from apikeys.key_mails import news_of_keys
from apikeys.models import ApiKey
from apikeys.providers import Verdict
from apikeys.tasks import mail_keys
from tests.servers.smtp import MailServer
from wavelength.envelope import Secret
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
SECRET = "sk-proj-0f3a5b7c9d1e2f4a6b8c"
REFUSED = "OpenAI does not know this key. Check that it was copied whole and not revoked."


@pytest.fixture
def post(settings: Settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def key_of(person: User, secret: str = SECRET, **more: Any) -> ApiKey:
    return vault.store_key(
        user_id=person.pk, provider="openai", secret=Secret(secret), key_name=f"Key {secret[-4:]}", **more
    )


def say(key: ApiKey, **values: Any) -> None:
    with tenant(key.user_id):
        ApiKey.objects.filter(pk=key.pk).update(**values)


def fail(key: ApiKey) -> None:
    say(key, is_valid=False, validation_error=REFUSED)


def test_a_key_that_stops_working_is_told_once(alice: User, bob: User, post: MailServer) -> None:
    key, _other = key_of(alice), key_of(bob)
    mail_keys(0)
    assert post.letters == []

    fail(key)
    mail_keys(0)
    mail_keys(0)
    [letter] = post.letters
    assert letter.recipients == ("alice@example.com",)
    assert letter.subject == "A provider key stopped working"
    assert REFUSED in letter.text
    assert SECRET not in letter.message.as_string()
    assert list(people_due("key_mails")) == []


def test_once_it_worked_again_it_is_told_again(alice: User, post: MailServer) -> None:
    key = key_of(alice)
    fail(key)
    mail_keys(0)
    vault.change_key(user_id=alice.pk, key_id=key.pk, secret=Secret(SECRET + "x"), verdict=Verdict(True))
    fail(key)
    mail_keys(0)
    assert len(post.letters) == 2


def test_what_was_said_when_it_was_entered_is_no_news(alice: User, post: MailServer) -> None:
    key_of(alice, verdict=Verdict(False, REFUSED))
    mail_keys(0)
    assert post.letters == []


def test_who_wants_none_and_switched_off_keys_get_none(alice: User, bob: User, post: MailServer) -> None:
    fail(key_of(alice))
    change_profile(user_id=alice.pk, wanted_mails=[Mail.QUOTA])
    switched_off = key_of(bob)
    fail(switched_off)
    say(switched_off, is_active=False)
    mail_keys(0)
    assert post.letters == []
    assert news_of_keys(alice.pk) is None


def test_it_speaks_the_persons_language(alice: User, post: MailServer) -> None:
    change_profile(user_id=alice.pk, language="de")
    fail(key_of(alice))
    fail(key_of(alice, SECRET + "2"))
    mail_keys(0)
    [letter] = post.letters
    assert letter.subject == "2 Anbieterschlüssel funktionieren nicht mehr"
    assert "OpenAI kennt diesen Schlüssel nicht" in letter.text


def test_what_the_server_does_not_take_now_is_sent_later(alice: User, post: MailServer) -> None:
    fail(key_of(alice))
    post.refusals["alice@example.com"] = "450 Come back later"
    mail_keys(0)
    post.refusals.clear()
    mail_keys(0)
    assert len(post.letters) == 1
