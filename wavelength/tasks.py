"""The figures of the whole service."""

from procrastinate.contrib.django import app

from wavelength import collecting


@app.periodic(cron="4-59/10 * * * *")
@app.task(queueing_lock="collect-metrics")
def collect_metrics(timestamp: int) -> None:
    """Bring the figures of the analytics up to date, every ten minutes."""
    collecting.collect()
