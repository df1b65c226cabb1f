"""Everything into a directory and back into an empty server: counted, kept apart, priced and sealed as before."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.writings import writings
from wavelength.embedded import Server

ROOT = Path(__file__).resolve().parents[2]
RING, OTHER_RING = "0123456789abcdef" * 4, "fedcba9876543210" * 4
SECRET = "sk-proj-backed-up-0f3a5b7c9d1e2f4a6b8c"
PEOPLE = f"""
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
for command in ("migrate --verbosity=0", "seed_demo"):
    call_command(*command.split())
from accounts.models import User
from apikeys.vault import store_key
from usage.metering import record_usage
from wavelength.envelope import Secret
person = User.objects.earliest("created_at")
store_key(user_id=person.pk, provider="openai", secret=Secret("{SECRET}"))
record_usage(user_id=person.pk, provider="openai", model="gpt-4o", cost="0.004")
default_storage.save("avatars/picture.webp", ContentFile(b"a picture"))
"""
OPENED = """
from accounts.models import User
from apikeys import vault
from wavelength.tenancy import tenant
person = User.objects.earliest("created_at")
with tenant(person.pk):
    from apikeys.models import ApiKey
    print("OPENED", vault.open_key(ApiKey.objects.get(provider="openai")).secret.reveal())
"""


@dataclass
class Site:
    """A database of a server of its own, and a directory for files."""

    urls: dict[str, str]
    data: Path
    ring: str = RING

    def manage(self, *arguments: str, code: int = 0) -> str:
        environment = os.environ | self.urls | {
            "API_KEY_ENCRYPTION_KEY": self.ring, "WAVELENGTH_DATA_DIR": str(self.data), "DEBUG": "true",
        }  # fmt: skip
        command = [sys.executable, "manage.py", *arguments]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout + run.stderr

    def ask(self, name: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.urls[name]) as connection:
            return connection.execute(statement).fetchall()


@contextmanager
def site(data: Path, *, ring: str = RING) -> Iterator[Site]:
    with Server.temporary() as server:
        yield Site(server.urls, data, ring)


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A backup of a site with one person; what the command said, and the checksum of the messages."""
    directory = tmp_path_factory.mktemp("backup")
    with site(directory / "data") as source:
        source.manage("setup_database")
        source.manage("shell", "-c", PEOPLE)
        said = source.manage("backup", str(directory / "all"))
        return directory / "all", said, checksum(source)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that nothing was restored into, and that stays so."""
    with site(tmp_path_factory.mktemp("empty")) as target:
        target.manage("setup_database")
        yield target
        assert target.ask("DATABASE_OWNER_URL", "SELECT relname FROM pg_class WHERE relname ~ '^chats'") == []


def checksum(of: Site) -> str:
    [(found,)] = of.ask(
        "DATABASE_BACKUP_URL",
        "SELECT md5(string_agg(m::text, '' ORDER BY m.id)) || count(*) FROM chats_message m",
    )
    return str(found)


def test_it_works(backup: tuple[Path, str, str], tmp_path: Path) -> None:
    directory, said, messages = backup
    assert "1 files" in said
    with site(tmp_path / "data") as target:
        said = target.manage("restore", str(directory))

        assert "every check holds" in said
        assert "as many as were backed up" in said
        assert "no difference" in said
        assert checksum(target) == messages
        assert target.ask("DATABASE_URL", "SELECT count(*) FROM chats_message") == [(0,)], "outside a tenant"
        assert f"OPENED {SECRET}" in target.manage("shell", "-c", OPENED)
        assert (tmp_path / "data" / "media" / "avatars" / "picture.webp").read_bytes() == b"a picture"
        assert "Restore into an empty one" in target.manage("restore", str(directory), code=1)


def test_without_the_ring_no_envelope_opens(backup: tuple[Path, str, str], tmp_path: Path) -> None:
    with site(tmp_path / "data", ring=OTHER_RING) as target:
        said = target.manage("restore", str(backup[0]), code=1)

    assert "do NOT open" in said
    assert "do not serve from it yet" in said
    assert not [line for line in said.splitlines() if " open," in line and not line.split(": ")[1].startswith("0 ")]


def test_no_secret_stands_in_it(backup: tuple[Path, str, str]) -> None:
    for path in backup[0].rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for text in (content, gzip.decompress(content) if path.suffix == ".gz" else b""):
                assert not any(writing in text for secret in (SECRET, RING) for writing in writings(secret)), path
    assert (backup[0].stat().st_mode & 0o777) == 0o700


def test_what_is_no_backup_is_refused(backup: tuple[Path, str, str], empty: Site, tmp_path: Path) -> None:
    assert "is no whole backup" in empty.manage("restore", str(tmp_path), code=1)


def test_a_backup_of_a_newer_version_is_refused(backup: tuple[Path, str, str], empty: Site, tmp_path: Path) -> None:
    manifest = json.loads((backup[0] / "manifest.json").read_text())
    manifest["migrations"].append("chats.9999_later")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    assert "chats.9999_later" in empty.manage("restore", str(tmp_path), code=1)


def test_a_restore_that_fails_leaves_nothing(backup: tuple[Path, str, str], empty: Site, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(backup[0], torn)
    largest = max((torn / "database").glob("*.dat*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])

    assert "pg_restore failed" in empty.manage("restore", str(torn), code=1)
    assert empty.ask("DATABASE_OWNER_URL", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_directory_in_use_is_left_alone(backup: tuple[Path, str, str], empty: Site) -> None:
    before = sorted(path.name for path in backup[0].iterdir())

    assert "is not empty" in empty.manage("backup", str(backup[0]), code=1)
    assert sorted(path.name for path in backup[0].iterdir()) == before


def test_rows_that_are_missing_are_named(backup: tuple[Path, str, str], tmp_path: Path) -> None:
    short = tmp_path / "short"
    shutil.copytree(backup[0], short)
    manifest = json.loads((short / "manifest.json").read_text())
    manifest["counts"]["chats_message"] += 1
    (short / "manifest.json").write_text(json.dumps(manifest))
    with site(tmp_path / "data") as target:
        said = target.manage("restore", str(short), code=1)
    assert f"{manifest['counts']['chats_message']} were backed up" in said
