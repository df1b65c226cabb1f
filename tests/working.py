"""A worker as a process of its own, with tasks that a test can count: `python -m tests.working`.

Each run of a task leaves a row in `counted` (which the test makes) when it begins and when it has ended.
"""

import os
import time

import django
from django.core.management import call_command
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wavelength.settings")
django.setup()

from procrastinate import JobContext  # noqa: E402
from procrastinate.contrib.django import app  # noqa: E402


@app.task(name="tests.count", pass_context=True)
def count(context: JobContext, first: float, again: float) -> None:
    """Take `first` seconds, or `again` seconds once it was begun before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM counted WHERE job = %s", [context.job.id])
        [begun] = cursor.fetchone()
        cursor.execute(
            "INSERT INTO counted (job, process, what) VALUES (%s, %s, 'begun')", [context.job.id, os.getpid()]
        )
    time.sleep(again if begun else first)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO counted (job, process, what) VALUES (%s, %s, 'ended')", [context.job.id, os.getpid()]
        )


if __name__ == "__main__":
    call_command("worker")
