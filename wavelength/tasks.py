"""The figures of the whole service."""

from procrastinate.contrib.django import app

from wavelength import alerting, collecting
from wavelength.conditions import CONDITIONS


@app.periodic(cron="4-59/10 * * * *")
@app.task(queueing_lock="collect-metrics")
def collect_metrics(timestamp: int) -> None:
    """Bring the figures of the analytics up to date, every ten minutes."""
    collecting.collect()


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="look-for-what-is-wrong")
def look_for_what_is_wrong(timestamp: int) -> None:
    """Tell operators, each minute, what is wrong and what is over; the web processes look as well."""
    alerting.look(CONDITIONS)
