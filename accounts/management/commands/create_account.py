from __future__ import annotations

import argparse
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email
from django.urls import reverse

from accounts.models import Tier, User
from accounts.people import AddressTakenError, open_account
from wavelength.console import OperatorCommand


class Command(OperatorCommand):
    help = "Create an account. Without --password-stdin, its owner sets a password by resetting it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email", help="the address to sign in with")
        parser.add_argument("--name", default="", help="the person's name")
        parser.add_argument("--tier", choices=Tier.values, default=Tier.FREE.value, help="decides the default quotas")
        parser.add_argument("--verified", action="store_true", help="the address need not be confirmed")
        parser.add_argument("--staff", action="store_true", help="an administrator, who may open /admin/")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        email = _address(options["email"])
        if len(options["name"]) > 150:
            raise CommandError("A name may have at most 150 characters.")
        password = _password_from_stdin(email) if options["password_stdin"] else None
        try:
            open_account(
                email=email,
                name=options["name"],
                tier=options["tier"],
                verified=options["verified"],
                is_staff=options["staff"],
                password=password,
                way="command",
            )
        except AddressTakenError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"Created the account {email} ({options['tier']})."))
        if password is None:
            page = reverse("account_reset_password")
            self.stdout.write(f"It has no password yet: its owner asks for a link at {page} to set one.")
        if not options["verified"]:
            self.stdout.write("At the first sign-in a letter asks to confirm the address.")


def _address(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise CommandError(f"{text} is not an e-mail address.") from error
    return email


def _password_from_stdin(email: str) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    try:
        validate_password(password, User(email=email))
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return password
