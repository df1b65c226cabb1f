from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError

from accounts import erasure
from accounts.models import User, Way
from wavelength.console import OperatorCommand


class Command(OperatorCommand):
    help = "Have everything of a person erased: after the days of grace, or at once and for good."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email", help="the address they sign in with")
        parser.add_argument("--now", action="store_true", help="at once; nobody can bring it back")
        parser.add_argument("--noinput", action="store_true", help="do not ask for the address once more")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"There is no account with the address {email}.")
        if options["now"] and not options["noinput"]:
            typed = input(f"Everything of {user.email} goes for good. Type the address again to erase it: ")
            if typed.strip().lower() != user.email.lower():
                raise CommandError("That is another address. Nothing was erased.")
        asked = erasure.ask(user_id=user.pk, way=Way.COMMAND)
        if not options["now"]:
            self.stdout.write(f"{user.email} will be erased on {asked.happens_at:%Y-%m-%d %H:%M} UTC.")
            return
        if not erasure.erase(user_id=user.pk, at_once=True):
            raise CommandError("The account is not gone yet. Run the command again.")
        self.stdout.write(self.style.SUCCESS(f"{user.email} is erased."))
