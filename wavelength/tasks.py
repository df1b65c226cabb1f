"""What the service does about itself: its figures, what is wrong, jobs that were left."""

from procrastinate import JobContext
from procrastinate.contrib.django import app

from wavelength import alerting, collecting
from wavelength.conditions import CONDITIONS
from wavelength.jobs import PATIENTLY, take_over


@app.periodic(cron="4-59/10 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="collect-metrics")
def collect_metrics(timestamp: int) -> None:
    """Bring the figures of the analytics up to date, every ten minutes."""
    collecting.collect()


@app.periodic(cron="* * * * *")
@app.task(retry=PATIENTLY, queueing_lock="look-for-what-is-wrong")
def look_for_what_is_wrong(timestamp: int) -> None:
    """Tell operators, each minute, what is wrong and what is over; the web processes look as well."""
    alerting.look(CONDITIONS)


@app.periodic(cron="* * * * *")
@app.task(retry=PATIENTLY, queueing_lock="take-over", pass_context=True)
async def take_over_jobs(context: JobContext, timestamp: int) -> None:
    """Let others do, each minute, what workers that are gone had begun."""
    await take_over(context.app.job_manager)
