"""`make reset` deletes only what is the embedded development database's (stopping it: test_develop.py)."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from wavelength import embedded


@pytest.fixture
def data(tmp_path: Path, settings: Settings) -> Path:
    """A data directory with passwords, an uploaded picture and something that is not ours."""
    settings.DEBUG = settings.EMBEDDED = True
    settings.DATA_DIR = tmp_path / "data"
    settings.MEDIA_ROOT = tmp_path / "data/media"
    embedded.prepare(settings.DATA_DIR)
    (tmp_path / "data/media/avatars").mkdir(parents=True)
    (tmp_path / "data/notes.txt").touch()
    return tmp_path / "data"


def test_it_works(data: Path) -> None:
    call_command("reset_development")
    assert [path.name for path in data.iterdir()] == ["notes.txt"]
    call_command("reset_development")


def test_uploads_elsewhere_stay(data: Path, tmp_path: Path, settings: Settings) -> None:
    settings.MEDIA_ROOT = tmp_path / "elsewhere"
    (tmp_path / "elsewhere").mkdir()
    call_command("reset_development")
    assert (tmp_path / "elsewhere").exists()


def test_refused_in_production(data: Path, settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="with DEBUG=true only"):
        call_command("reset_development")
    assert (data / "postgresql/credentials.json").exists()


def test_refused_for_a_database_of_ones_own(data: Path, settings: Settings) -> None:
    settings.EMBEDDED = False
    with pytest.raises(CommandError, match="that database is not ours to delete"):
        call_command("reset_development")
    assert (data / "postgresql/credentials.json").exists()
