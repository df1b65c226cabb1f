from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError

from accounts.models import Tier, User
from accounts.people import set_tier
from wavelength.console import OperatorCommand


class Command(OperatorCommand):
    help = "Move a person to another tier."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email", help="the address they sign in with")
        parser.add_argument("tier", help=f"one of: {', '.join(Tier.values)}")

    def handle(self, *args: Any, **options: Any) -> None:
        email, tier = options["email"].strip(), options["tier"]
        if tier not in Tier.values:
            raise CommandError(f"There is no tier {tier}. Tiers are: {', '.join(Tier.values)}.")
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"There is no account with the address {email}.")
        if set_tier(user_id=user.pk, tier=Tier(tier)):
            self.stdout.write(self.style.SUCCESS(f"{user.email} is {tier} now."))
        else:
            self.stdout.write(f"{user.email} is {tier} already.")
