from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.datakeys import key_ring, rewrap_data_keys, ring_keys_in_use


class Command(BaseCommand):
    help = (
        "Wrap every data key with API_KEY_ENCRYPTION_KEY. May be stopped and run again, also "
        "while the site serves; says when an old key may go."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes = list(rewrap_data_keys())
        errors = [outcome for outcome in outcomes if outcome is not None]
        self.stdout.write(f"Wrapped anew: {len(outcomes) - len(errors)} data keys.")
        for sentence in sorted({str(error) for error in errors}):
            self.stderr.write(sentence)
        primary = key_ring().primary_id
        left = {key: held for key, held in ring_keys_in_use().items() if key != primary}
        for key, held in sorted(left.items()):
            self.stdout.write(f"Left: {held} data keys under the old ring key {key}.")
        if left:
            raise CommandError("Keep the old keys in API_KEY_ENCRYPTION_OLD_KEYS, and run again.")
        self.stdout.write(f"Every data key is under the ring key {primary}: API_KEY_ENCRYPTION_OLD_KEYS may go.")
