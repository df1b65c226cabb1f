import argparse
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from accounts.looks import note_look
from accounts.models import User
from chats.models import Source
from chats.payload import MAX_BYTES, ShapeError, TooLargeError
from chats.scanning import NotJsonError
from chats.sync import Report, take_over
from wavelength.console import OperatorCommand
from wavelength.tenancy import tenant


class Command(OperatorCommand):
    help = (
        "Take over what a browser kept: FILE is the body of POST /api/migration, or the value that the web client"
        " keeps in localStorage under wavelength-store."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="a JSON file of at most 100 MiB")
        parser.add_argument("--user", metavar="EMAIL", required=True, help="whose account takes it")
        parser.add_argument("--dry-run", action="store_true", help="say what would move, and move nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run: bool = options["dry_run"]
        person = User.objects.filter(email__iexact=options["user"].strip()).first()
        if person is None:
            raise CommandError(f"Nobody signs in as {options['user']}. `manage.py create_account` makes an account.")
        if dry_run:
            # It tells how much of the file is there already.
            note_look(person.pk, "chats.handover")
        try:
            with _opened(options["file"]) as body, _rolled_back(person.pk) if dry_run else nullcontext():
                report = _with_progress(person.pk, body)
        except NotJsonError as error:
            raise CommandError(f"{options['file']} is not JSON: {error}.") from error
        except (ShapeError, TooLargeError) as error:
            raise CommandError(f"{options['file']} is no hand-over: {error}.") from error
        self._tell(report, person, dry_run=dry_run)

    def _tell(self, report: Report, person: User, *, dry_run: bool) -> None:
        moved = "Would move" if dry_run else "Moved"
        self.stdout.write(
            self.style.SUCCESS(
                f"{moved} to {person.email}: {report.migrated_chats:,} chats,"
                f" {report.migrated_messages:,} messages, {report.migrated_keys:,} keys."
            )
        )
        if report.skipped_chats:
            self.stdout.write(f"{report.skipped_chats:,} chats were there already, or were deleted there.")
        for warning in report.warnings:
            self.stdout.write(self.style.WARNING(_printable(f"Note: {warning}")))
        for fault in report.faults:
            self.stdout.write(self.style.ERROR(_printable(f"Not moved: {fault.sentence()}")))
        if report.faults:
            raise CommandError(f"{len(report.faults):,} could not be moved; all else {'would' if dry_run else 'did'}.")


@contextmanager
def _opened(path: Path) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file:
            if path.stat().st_size > MAX_BYTES:
                raise CommandError(f"{path} is larger than 100 MiB.")
            if path.stat().st_size == 0:
                raise CommandError(f"{path} is empty.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
                yield body
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def _rolled_back(user_id: UUID) -> Iterator[None]:
    with tenant(user_id):
        yield
        transaction.set_rollback(True)


def _with_progress(user_id: UUID, body: mmap.mmap) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Messages", total=None)
        return take_over(
            user_id=user_id,
            body=body,
            source=Source.COMMAND,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _printable(text: str) -> str:
    """Without what a terminal would obey: titles come from a stranger's file."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
