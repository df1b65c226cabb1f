"""Everything of a person as one file: complete, theirs alone, made once and deleted in time."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import archives, erasure
from accounts.archiving import LEFT_OUT, models_of_people, write_archive
from accounts.due import people_due
from accounts.models import DataArchive, DataKey, Profile, User
from accounts.tasks import mind_archives
from apikeys.models import ApiKey
from chats.models import Chat, Message
from tests.conftest import PASSWORD
from tests.rows import MAKERS, stored
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db
ASK = "accounts:archive"
FILE = "accounts:archive-file"
# Rows of packages that belong to a person through another row, and hold only codes that open something.
THROUGH_ANOTHER = {"account_emailconfirmation", "socialaccount_socialtoken"}
WITH_A_PERSON = """
    SELECT DISTINCT c.relname::text
      FROM pg_class c
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped
      LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = 'accounts_user'::regclass
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND (a.attname IS NOT NULL OR k.oid IS NOT NULL)
"""


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def confirm(client: Client) -> None:
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def archive_of(person: User) -> DataArchive | None:
    with tenant(person.pk):
        return DataArchive.objects.filter(user=person).first()


def change(person: User, **values: object) -> None:
    with tenant(person.pk):
        DataArchive.objects.filter(user=person).update(**values)


def made(person: User) -> DataArchive:
    archives.ask(user_id=person.pk)
    assert archives.make(user_id=person.pk)
    found = archive_of(person)
    assert found is not None
    return found


def files() -> list[str]:
    return default_storage.listdir("archives")[1] if default_storage.exists("archives") else []


def test_it_is_made_and_downloaded(alice: User, as_alice: Client) -> None:
    confirm(as_alice)
    page = as_alice.post(reverse(ASK), follow=True).content.decode()
    assert "being made since" in page
    assert archives.make(user_id=alice.pk)

    [letter] = mail.outbox[-1:]
    assert (letter.subject, letter.to) == ("Your archive is ready", [alice.email])
    assert "/privacy/" in str(letter.body)
    assert reverse(FILE) in as_alice.get(reverse("accounts:privacy")).content.decode()
    response = as_alice.get(reverse(FILE))
    assert response["Content-Disposition"].startswith('attachment; filename="wavelength-')
    assert response["Cache-Control"] == "no-store"
    assert response.streaming
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("data/accounts_user.jsonl"))["email"] == alice.email
    found = archive_of(alice)
    assert found is not None
    assert found.expires_at is not None
    assert found.expires_at - timezone.now() > timedelta(days=6, hours=23)


def test_every_model_of_people_is_in_it_or_left_out_with_a_reason(alice: User, bob: User) -> None:
    for model in MAKERS:
        stored(model, bob)
        stored(model, alice)
    with tenant(alice.pk):
        Profile.objects.get(user=alice).avatar.save("picture.webp", ContentFile(b"a picture"))
    with connections["default"].cursor() as cursor:
        cursor.execute(WITH_A_PERSON)
        tables = {table for (table,) in cursor.fetchall()} | {"accounts_user"}

    content = io.BytesIO()
    write_archive(content, alice.pk, lambda: None)
    with zipfile.ZipFile(content) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    there = {name.removeprefix("data/").removesuffix(".jsonl") for name in whole if name.startswith("data/")}

    assert tables - there - THROUGH_ANOTHER == set(LEFT_OUT)
    for model in MAKERS:
        table = model._meta.db_table
        if table not in LEFT_OUT:
            with tenant(alice.pk):
                wanted = sorted(str(pk) for pk in model._default_manager.values_list("pk", flat=True))
            lines = [json.loads(line) for line in whole[f"data/{table}.jsonl"].splitlines()]
            assert sorted(line["id"] for line in lines) == wanted, table
    assert whole["picture.webp"] == b"a picture"
    everything = b"".join(whole.values())
    assert str(bob.pk).encode() not in everything
    assert b"Bob" not in everything
    # Chats as JSON that the import takes, and as text.
    [chat] = json.loads(whole["chats/chats.json"])["chats"]
    assert chat["messages"][0]["content"] == "Alice's words"
    [text] = [content for name, content in whole.items() if name.endswith(".md")]
    assert b"Alice's words" in text
    assert len(whole["usage.csv"].splitlines()) > 1


def test_nothing_in_it_opens_anything(alice: User) -> None:
    for model in MAKERS:
        stored(model, alice)
    file = made(alice).file
    with default_storage.open(file) as content, zipfile.ZipFile(content) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert alice.password.encode() not in everything
    assert file.encode() not in everything
    with tenant(alice.pk):
        key = ApiKey.objects.get(user=alice)
        wrapped = bytes(DataKey.objects.get(user=alice).wrapped)
    for secret in (bytes(key.envelope), bytes(key.fingerprint), wrapped):
        assert secret not in everything
        assert secret.hex().encode() not in everything
    assert b'"envelope"' not in everything


def test_it_comes_in_pages(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.archiving.PAGE", 2)
    monkeypatch.setattr("chats.archiving.PAGE", 2)
    for number in range(5):
        with tenant(alice.pk):
            chat = MAKERS[Chat](alice)
            chat.title = f"Number {number}"
            chat.save(force_insert=True)
    content = io.BytesIO()
    write_archive(content, alice.pk, lambda: None)
    with zipfile.ZipFile(content) as archive:
        assert len(archive.read("data/chats_chat.jsonl").splitlines()) == 5
        assert len(json.loads(archive.read("chats/chats.json"))["chats"]) == 5
        names = [name for name in archive.namelist() if name.endswith(".md")]
    # Chats made within one millisecond stand in any order.
    assert [name[:11] for name in names] == [f"chats/0000{number}" for number in range(1, 6)]
    assert sorted(name[11:] for name in names) == [f"-number-{number}.md" for number in range(5)]


def test_a_deleted_chat_that_can_be_had_back_stands_apart(alice: User) -> None:
    stored(Message, alice)
    with tenant(alice.pk):
        Chat.objects.all().delete_softly()
    content = io.BytesIO()
    write_archive(content, alice.pk, lambda: None)
    with zipfile.ZipFile(content) as archive:
        assert json.loads(archive.read("chats/chats.json")) == {"chats": []}
        [chat] = json.loads(archive.read("chats/deleted.json"))["chats"]
    assert chat["messages"][0]["content"] == "Alice's words"


def test_another_has_none(alice: User, as_bob: Client) -> None:
    made(alice)
    confirm(as_bob)
    assert as_bob.get(reverse(FILE)).status_code == 404
    assert as_bob.post(reverse(FILE)).status_code == 405
    assert as_bob.get(reverse(ASK)).status_code == 405


@pytest.mark.parametrize(("method", "name"), [("post", ASK), ("get", FILE)])
def test_it_asks_who_one_is_first(method: str, name: str, alice: User, as_alice: Client, anonymous: Client) -> None:
    before = made(alice)
    assert getattr(as_alice, method)(reverse(name))["Location"].startswith("/accounts/reauthenticate/")
    assert getattr(anonymous, method)(reverse(name))["Location"].startswith("/accounts/login/")
    assert archive_of(alice) == before


def test_one_at_a_time(alice: User) -> None:
    assert archives.ask(user_id=alice.pk)
    assert not archives.ask(user_id=alice.pk)
    assert archives.make(user_id=alice.pk)
    assert not archives.make(user_id=alice.pk)
    first = files()
    # The next one takes the place of the one before.
    made(alice)
    assert len(files()) == 1
    assert files() != first


def test_who_takes_over_from_the_dead_leaves_no_file_behind(alice: User) -> None:
    archives.ask(user_id=alice.pk)
    default_storage.save("archives/half.zip", ContentFile(b"half"))
    change(alice, file="archives/half.zip", moved_at=timezone.now())
    # Somebody is at it.
    assert not archives.make(user_id=alice.pk)
    assert list(people_due("archives")) == []
    change(alice, moved_at=timezone.now() - timedelta(minutes=11))
    assert list(people_due("archives")) == [alice.pk]
    assert archives.make(user_id=alice.pk)
    assert len(files()) == 1
    assert files() != ["half.zip"]


def test_who_lost_it_deletes_what_they_made(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    archives.ask(user_id=alice.pk)
    monkeypatch.setattr(archives, "write_archive", lambda *_: change(alice, file="archives/of-another.zip"))
    assert not archives.make(user_id=alice.pk)
    assert files() == []
    found = archive_of(alice)
    assert found is not None
    assert found.state == DataArchive.State.MAKING


def test_a_failure_is_told_and_can_be_asked_again(
    alice: User, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives.ask(user_id=alice.pk)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(archives, "write_archive", _full)
        archives.make(user_id=alice.pk)
    assert "could not be made" in as_alice.get(reverse("accounts:privacy")).content.decode()
    assert files() == []
    made(alice)


def test_it_is_deleted_in_time(alice: User, as_alice: Client) -> None:
    made(alice)
    assert list(people_due("archives")) == []
    change(alice, expires_at=timezone.now() - timedelta(hours=1))
    confirm(as_alice)
    assert as_alice.get(reverse(FILE)).status_code == 404
    mind_archives(timestamp=0)
    assert files() == []
    assert archive_of(alice) is None


def test_it_goes_with_its_person(alice: User) -> None:
    made(alice)
    erasure.ask(user_id=alice.pk)
    assert erasure.erase(user_id=alice.pk, at_once=True)
    assert files() == []


def test_every_exclusion_is_a_table_and_has_a_reason() -> None:
    tables = {model._meta.db_table for model in apps.get_models()}
    assert set(LEFT_OUT) <= tables
    assert all(LEFT_OUT.values())
    assert set(LEFT_OUT).isdisjoint(model._meta.db_table for model, _ in models_of_people())


def _full(*_: object) -> None:
    raise OSError("The disk is full.")
