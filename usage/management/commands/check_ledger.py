from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError

from accounts.due import everyone
from accounts.looks import note_look
from accounts.models import User
from usage import ledger
from wavelength.console import OperatorCommand


class Command(OperatorCommand):
    help = "Compare quotas' windows and closed days with the ledger and open reservations; exits 1 on any difference."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--user", metavar="EMAIL", help="only this person")

    def handle(self, *args: Any, user: str | None, **options: Any) -> None:
        people = windows = differences = 0
        for user_id in [self._person(user).pk] if user else everyone():
            if user:
                note_look(user_id, "usage.usagerecord")
            checked = ledger.check(user_id=user_id)
            if checked.differences:
                email = User.objects.only("email").get(pk=user_id).email
                for line in checked.differences:
                    self.stdout.write(f"{email} {line}")
            people += 1
            windows += checked.windows
            differences += len(checked.differences)
        said = f"{windows} windows of {people} people were compared with the ledger"
        if differences:
            raise CommandError(f"{said}: {differences} differ.")
        self.stdout.write(self.style.SUCCESS(f"{said}: no difference."))

    def _person(self, email: str) -> User:
        try:
            return User.objects.get_by_natural_key(email.strip())
        except User.DoesNotExist:
            raise CommandError(f"There is no account with the address {email}.") from None
