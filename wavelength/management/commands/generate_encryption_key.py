from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from wavelength.envelope import generate_ring_key


class Command(BaseCommand):
    help = "Print a new key for API_KEY_ENCRYPTION_KEY: 64 hex characters."
    # It is how the first key comes to be: nothing else needs to stand.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(generate_ring_key())
