from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from accounts.due import everyone
from accounts.looks import note_look
from accounts.models import User
from apikeys.models import ApiKey
from apikeys.validation import validate_all
from wavelength.console import OperatorCommand


class Command(OperatorCommand):
    help = "Ask the providers about every active key, of everyone or of one person. Shows no secret."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", metavar="EMAIL", help="only this person's keys")

    def handle(self, *args: Any, user: str | None, **options: Any) -> None:
        counts: Counter[str] = Counter()
        for user_id in [self._person(user).pk] if user else everyone():
            if user:
                note_look(user_id, "apikeys.apikey")
            for key in validate_all(user_id=user_id):
                counts[_state(key)] += 1
                if key.validation_error:
                    self.stdout.write(f"{key.provider} {key.pk}: {key.validation_error}")
        self.stdout.write(f"valid {counts['valid']}, invalid {counts['invalid']}, not told {counts['not told']}")

    def _person(self, email: str) -> User:
        try:
            return User.objects.get_by_natural_key(email)
        except User.DoesNotExist:
            raise CommandError(f"Nobody has the address {email}.") from None


def _state(key: ApiKey) -> str:
    if key.is_valid is None:
        return "not told"
    return "valid" if key.is_valid else "invalid"
