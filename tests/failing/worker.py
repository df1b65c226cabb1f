"""A worker with a task that fails: `python -m tests.failing.worker`."""

import os

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wavelength.settings")
django.setup()

from procrastinate.contrib.django import app  # noqa: E402

from tests.failing.faults import fail  # noqa: E402

# Not tried again, so that it is told at once.
app.task(name="tests.fail")(fail)

if __name__ == "__main__":
    call_command("worker")
