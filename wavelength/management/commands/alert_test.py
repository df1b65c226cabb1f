from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wavelength import alert_ways
from wavelength.alert_ways import Message, WayError


class Command(BaseCommand):
    help = "Send a test alert to operators by every way that is set, and say what came of it."

    def handle(self, *args: Any, **options: Any) -> None:
        ways = alert_ways.configured()
        if not ways:
            raise CommandError("There is no way to tell you: set ALERT_EMAILS or ALERT_WEBHOOK_URL.")
        message = Message(
            "test", "A test", "Nothing is wrong: this is what `manage.py alert_test` sends.", datetime.now(UTC)
        )
        failed = False
        for way in ways:
            try:
                way.send(message)
                self.stdout.write(f"{way.name}: sent")
            except WayError as error:
                failed = True
                self.stdout.write(f"{way.name}: {error}")
        if failed:
            raise CommandError("Not every way works.")
