from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError

from accounts.models import User
from usage import quotas
from usage.models import Period, QuotaLimit
from wavelength.console import OperatorCommand

NUMBERS = {"requests": "request_limit", "tokens": "token_limit", "cost": "cost_limit"}


class Command(OperatorCommand):
    help = (
        "Say what a person may use in a day or a month, of everything, of a provider or of one model. "
        "What is not named stays as it is; 'none' allows any amount. A change of tier leaves it alone."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email", help="the address they sign in with")
        parser.add_argument("--period", choices=Period.values, default=Period.DAILY.value, help="daily by default")
        parser.add_argument("--provider", default="", help="only what is used of this provider")
        parser.add_argument("--model", default="", help="only what is used of this model of the provider")
        parser.add_argument("--requests", type=_count, metavar="N|none")
        parser.add_argument("--tokens", type=_count, metavar="N|none")
        parser.add_argument("--cost", type=_dollars, metavar="X|none", help="US dollars")
        undone = parser.add_mutually_exclusive_group()
        undone.add_argument("--default", action="store_true", help="give the overall limit back to the tier")
        undone.add_argument("--remove", action="store_true", help="take the limit of a provider or model away")

    def handle(self, *args: Any, email: str, period: str, provider: str, model: str, **options: Any) -> None:
        numbers = {field: _number(options[name]) for name, field in NUMBERS.items() if options[name] is not None}
        if numbers and (options["default"] or options["remove"]):
            raise CommandError("Give either numbers, or --default, or --remove.")
        if options["default"] and provider:
            raise CommandError("Only the overall limits have a default; --remove takes the limit of a provider away.")
        user = self._person(email)
        whose = f"{period} limit of {user.email}" + "".join(f", {name}" for name in (provider, model) if name)
        try:
            if options["remove"]:
                removed = quotas.remove_quota(user_id=user.pk, period=Period(period), provider=provider, model=model)
                self.stdout.write(f"{'Removed' if removed else 'There is no'}: {whose}.")
                return
            if options["default"]:
                limit = quotas.set_default_quota(user_id=user.pk, period=Period(period))
            else:
                limit = quotas.set_quota(
                    user_id=user.pk, period=Period(period), provider=provider, model=model, **numbers
                )
        except quotas.QuotaError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"{whose}: {_allowed(limit)}."))

    def _person(self, email: str) -> User:
        try:
            return User.objects.get_by_natural_key(email.strip())
        except User.DoesNotExist:
            raise CommandError(f"There is no account with the address {email}.") from None


def _count(text: str) -> int | str:
    return text if text == "none" else int(text)


def _dollars(text: str) -> Decimal | str:
    try:
        return text if text == "none" else Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is not an amount of US dollars.") from None


def _number(given: Any) -> Any:
    return None if given == "none" else given


def _allowed(limit: QuotaLimit) -> str:
    counts = [(limit.request_limit, "requests"), (limit.token_limit, "tokens")]
    words = [f"any {of_what}" if count is None else f"{count:,} {of_what}" for count, of_what in counts]
    words.append("any cost" if limit.cost_limit is None else f"${limit.cost_limit.normalize():,f}")
    return ", ".join(words)
