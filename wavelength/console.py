"""Commands with which an operator acts on somebody's account."""

from contextvars import ContextVar
from typing import Any

from django.core.management.base import BaseCommand

_at_the_console: ContextVar[bool] = ContextVar("at_the_console", default=False)


def is_at_the_console() -> bool:
    """Whether an operator's command is at work, and no job or server."""
    return _at_the_console.get()


class OperatorCommand(BaseCommand):
    """A command with which an operator acts on somebody's account: what it does is theirs in the trail."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        token = _at_the_console.set(True)
        try:
            return super().execute(*args, **options)
        finally:
            _at_the_console.reset(token)
