"""Everything into a directory, and back from it into an empty server: pg_dump, the files, and what was counted.

A backup's directory holds `database/` (pg_dump's directory format), `media.tar` where files are stored on this
machine, and `manifest.json`, written last: what lacks it is no backup. Provider keys in it stay sealed; the key
ring is not in it and belongs elsewhere.
"""

import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from psycopg import sql

from wavelength.embedded import programs

FORMAT: Final = 1
MANIFEST, DATABASE, MEDIA = "manifest.json", "database", "media.tar"
TABLES = """
    SELECT relname::text FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname
"""
# What an unlogged table holds is of the moment: the dump leaves it out too.
LASTING = TABLES.replace("WHERE", "WHERE relpersistence = 'p' AND", 1)
CONNECTION_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
ENVIRONMENT = {"dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD", "host": "PGHOST", "port": "PGPORT"}


class BackupError(Exception):
    """It could not be done; the text is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was in the database, all of one moment: rows of each table, and the schema migrations applied."""

    format: int
    made_at: str
    server_version: str
    counts: dict[str, int]
    migrations: list[str]
    files: int | None  # None: they are not stored on this machine

    @property
    def rows(self) -> int:
        return sum(self.counts.values())


def back_up(directory: Path) -> Manifest:
    """Write a backup into a directory that does not exist yet, or is empty. Raises BackupError, psycopg.Error."""
    database = _required(settings.BACKUP_DATABASE, "DATABASE_BACKUP_URL", "wl_backup")
    if directory.exists() and any(directory.iterdir()):
        raise BackupError(f"{directory} is not empty: name a directory that does not exist yet.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with psycopg.connect(**_parameters(database)) as connection:
        # What is counted and what is dumped are of one moment.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        (snapshot, version, bypass) = _row(
            connection,
            "SELECT pg_export_snapshot(), current_setting('server_version'), rolbypassrls OR rolsuper"
            " FROM pg_roles WHERE rolname = current_user",
        )
        command = [f"--file={directory / DATABASE}", "--format=directory", "--no-owner"]
        command += ["--no-unlogged-table-data"]
        command += [f"--snapshot={snapshot}", *([] if bypass else ["--enable-row-security"])]
        _run("pg_dump", command, database)
        counts = _counts(connection)
        migrations = _migrations(connection)
    manifest = Manifest(FORMAT, datetime.now(UTC).isoformat(), version, counts, migrations, _pack_media(directory))
    (directory / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1))
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """What a backup says of itself. Raises BackupError when it is none."""
    try:
        manifest = Manifest(**json.loads((directory / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        raise BackupError(f"{directory} is no whole backup: it has no {MANIFEST} that can be read.") from None
    if manifest.format != FORMAT:
        raise BackupError(f"{directory} was written by another version of Wavelength (format {manifest.format}).")
    return manifest


def refuse_unless_empty() -> None:
    """Raise BackupError unless DATABASE_OWNER_URL leads to a database without tables, and no file is stored here."""
    with psycopg.connect(**_parameters(_owner())) as connection:
        tables = connection.execute(TABLES).fetchall()
    if tables:
        raise BackupError(
            f"The database in DATABASE_OWNER_URL has {len(tables)} tables already. Restore into an empty one."
        )
    media = _media_directory()
    if media and media.exists() and any(media.iterdir()):
        raise BackupError(f"{media} holds files already. Move them away first.")


def load(directory: Path, manifest: Manifest) -> None:
    """Fill the empty database, in one transaction, and put the files in their place. Raises BackupError.

    The roles must be there; rights are granted by `setup_database` and `migrate` afterwards.
    """
    command = ["--format=directory", "--no-owner", "--role=wl_owner"]
    # One transaction: what is interrupted leaves nothing, and can be tried again.
    command += ["--single-transaction", "--exit-on-error", f"--dbname={_owner()['NAME']}", str(directory / DATABASE)]
    _run("pg_restore", command, _owner())
    media = _media_directory()
    if manifest.files and media:
        media.mkdir(parents=True, exist_ok=True)
        with tarfile.open(directory / MEDIA) as archive:
            archive.extractall(media, filter="data")


def unlike(manifest: Manifest) -> list[str]:
    """A sentence for each table whose rows are not as many as were backed up, seen as wl_backup."""
    with psycopg.connect(**_parameters(_required(settings.BACKUP_DATABASE, "DATABASE_BACKUP_URL", "wl_backup"))) as c:
        found, migrations = _counts(c), _migrations(c)
    tables = dict(manifest.counts)
    if migrations != manifest.migrations:
        # Schema migrations newer than the backup were applied: what Django keeps of them grew.
        for table in ("django_migrations", "django_content_type", "auth_permission"):
            tables.pop(table, None)
    return [
        f"{table} has {found.get(table, 0)} rows; {count} were backed up."
        for table, count in tables.items()
        if found.get(table) != count
    ]


def unknown_migrations(manifest: Manifest, known: set[str]) -> list[str]:
    """What the backup's schema has that this version of the code does not know."""
    return sorted(set(manifest.migrations) - known)


def _required(database: dict[str, Any] | None, setting: str, role: str) -> dict[str, Any]:
    if not database or not database["NAME"]:
        raise BackupError(f"Set {setting} to the database as {role}; `manage.py setup_database` prints it.")
    return database


def _owner() -> dict[str, Any]:
    return _required(settings.DATABASES.get("owner"), "DATABASE_OWNER_URL", "a role that may create roles")


def _parameters(database: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: database[key] for name, key in CONNECTION_NAMES.items() if database[key]}
    options = {name: value for name, value in database.get("OPTIONS", {}).items() if name != "assume_role"}
    return named | options


def _run(program: str, arguments: list[str], database: Mapping[str, Any]) -> None:
    """One of PostgreSQL's programs on this database; no password stands in its arguments."""
    parameters = _parameters(database)
    environment = {ENVIRONMENT[name]: str(value) for name, value in parameters.items() if name in ENVIRONMENT}
    if "sslmode" in parameters:
        environment["PGSSLMODE"] = str(parameters["sslmode"])
    run = subprocess.run(
        [str(programs() / program), *arguments],
        env={"PATH": os.defpath, "LC_ALL": "C"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BackupError(f"{program} failed: {run.stderr.strip()[-2000:]}")


def _counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    tables = [name for (name,) in connection.execute(LASTING)]
    question = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM public.{}").format(sql.Literal(name), sql.Identifier(name)) for name in tables
    )
    return dict(connection.execute(question).fetchall()) if tables else {}


def _migrations(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def _row(connection: psycopg.Connection[Any], question: str) -> tuple[Any, ...]:
    [row] = connection.execute(question).fetchall()
    found: tuple[Any, ...] = row
    return found


def _media_directory() -> Path | None:
    return Path(default_storage.location) if isinstance(default_storage, FileSystemStorage) else None


def _pack_media(directory: Path) -> int | None:
    media = _media_directory()
    if media is None:
        return None
    files = sorted(path for path in media.rglob("*") if path.is_file()) if media.exists() else []
    with tarfile.open(directory / MEDIA, "w") as archive:
        for path in files:
            archive.add(path, arcname=str(path.relative_to(media)))
    return len(files)
