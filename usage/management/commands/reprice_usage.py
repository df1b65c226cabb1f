from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError

from accounts.due import everyone
from accounts.looks import note_look
from accounts.models import User
from usage.repricing import Repriced, own_prices, reprice
from wavelength.console import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Compute the ledger's costs anew at today's prices of administrators and the listed prices of each hour. "
        "Costs that callers reported, totals and quotas stay. May be stopped and run again."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=_moment, required=True, metavar="DATE", help="2026-11-01 or 2026-11-01T15:00, in UTC"
        )
        parser.add_argument("--user", metavar="EMAIL", help="only this person")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, but say what would change")

    def handle(self, *args: Any, since: datetime, user: str | None, dry_run: bool, **options: Any) -> None:
        own = own_prices()
        total, people = Repriced(), 0
        for user_id in [self._person(user).pk] if user else everyone():
            if user:
                note_look(user_id, "usage.usagerecord")
            found = sum(reprice(user_id=user_id, since=since, own=own, dry_run=dry_run), Repriced())
            total += found
            people += bool(found.changed)
        of_what = f"{total.changed:,} of {total.rows:,} rows since {since:%Y-%m-%d %H:%M} UTC, of {people:,} people"
        done = "would change" if dry_run else "changed"
        self.stdout.write(
            f"{of_what}, {done}, by {total.change.normalize():+,f} US dollars in all. "
            f"{total.forgotten:,} of them have no known price any more."
        )

    def _person(self, email: str) -> User:
        try:
            return User.objects.get_by_natural_key(email.strip())
        except User.DoesNotExist:
            raise CommandError(f"There is no account with the address {email}.") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no date such as 2026-11-01.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
