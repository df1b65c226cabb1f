from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from wavelength.collecting import collect, collected_until


class Command(BaseCommand):
    help = "Bring the figures of the analytics in the admin up to date, as the worker does every ten minutes."

    def handle(self, *args: Any, **options: Any) -> None:
        changed = collect()
        self.stdout.write(
            f"{changed} figures changed; whole hours are counted until {collected_until():%Y-%m-%d %H:%M} UTC."
        )
