"""Loaded by Python itself before anything else (PYTHONPATH): this process's clock is DRILL_CLOCK_SECONDS off."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

if "DRILL_CLOCK_SECONDS" in os.environ:
    _now = datetime.now(UTC) + timedelta(seconds=int(os.environ["DRILL_CLOCK_SECONDS"]))
    # Everything that asks for the time of day; not the clock that waiting goes by.
    time_machine.travel(_now, tick=True).start()
