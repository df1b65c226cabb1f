"""Keeping the job queue itself small."""

from procrastinate import JobContext, builtin_tasks
from procrastinate.contrib.django import app

KEPT_HOURS = 72


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="remove-old-jobs", pass_context=True)
async def remove_old_jobs(context: JobContext, timestamp: int) -> None:
    """Forget, each day, the jobs that were done days ago; what failed stays to be looked at."""
    await builtin_tasks.remove_old_jobs(context, max_hours=KEPT_HOURS)
