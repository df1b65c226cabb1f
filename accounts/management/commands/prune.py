from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from accounts import pruning


class Command(BaseCommand):
    help = "Delete what was kept long enough, as the worker does each day."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, rows in pruning.count() if options["dry_run"] else pruning.prune():
            self.stdout.write(f"{name}: {rows}")
