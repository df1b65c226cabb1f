from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.sealed import open_everything


class Command(BaseCommand):
    help = "Open every data key and every sealed secret, and count them. Shows no secret."

    def handle(self, *args: Any, **options: Any) -> None:
        tallies = open_everything()
        for kind, tally in tallies.items():
            closed = f", {tally.closed} do NOT open" if tally.closed else ""
            self.stdout.write(f"{kind}: {tally.opened} open{closed}")
        if any(tally.closed for tally in tallies.values()):
            raise CommandError(
                "Something does not open. When a ring key is missing, put it into API_KEY_ENCRYPTION_OLD_KEYS."
            )
