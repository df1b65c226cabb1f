import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from accounts.people import AddressTakenError, open_account
from chats import demo
from chats.models import Source
from chats.search import index_chats
from chats.sync import take_over
from usage.demo import use

EMAIL = "demo@wavelength.example"
PASSWORD = "wavelength-demo"  # noqa: S105  (told to everyone, for development only)


class Command(BaseCommand):
    help = (
        "Give an empty development database a demo account with three months of chats and some usage, and say how"
        " to sign in. Where there are people already, it adds nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo account has a password that everyone knows: only with DEBUG on.")
        if not User.objects.exists():
            self._seed()
        if User.objects.filter(email=EMAIL).exists():
            self.stdout.write(f"Sign in as {EMAIL} with the password {PASSWORD}")

    def _seed(self) -> None:
        try:
            person = open_account(
                email=EMAIL, name="Demo", verified=True, is_staff=True, password=PASSWORD, way="command"
            )
        except AddressTakenError:
            return  # Another start was faster.
        now = timezone.now()
        body = json.dumps(demo.payload(now)).encode()
        report = take_over(user_id=person.pk, body=body, source=Source.DEMO)
        index_chats(user_id=person.pk)
        use(user_id=person.pk, now=now)
        self.stdout.write(f"Made a demo account with {report.migrated_chats} chats.")
