"""How jobs are tried again: after a fault with longer and longer pauses, and when the worker that had them is gone.

So every job may run twice, or begin once more after it was done in part, and every task must bear it.
"""

import logging
from typing import Any, Final

from django.db import transaction
from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

logger = logging.getLogger(__name__)
TRIES: Final = 8  # over three quarters of an hour
LONGEST: Final = 600  # seconds between two of them
GONE: Final = 60  # seconds without a word of a worker, which says that it lives every ten


class Patience(BaseRetryStrategy):
    """10 seconds after the first fault, then 40, 160 and 600 between any two; what fails `TRIES` times is dead.

    Dead jobs are kept for operators, who can have them tried again in the admin.
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When the job is tried again, None for never."""
        if is_last_try(job):
            return None
        return RetryDecision(retry_in={"seconds": int(min(10 * 4**job.attempts, LONGEST))})


PATIENTLY: Final = Patience()


def is_last_try(job: Job) -> bool:
    """Whether the job is dead if it fails now."""
    return job.attempts >= TRIES - 1


def defer_once(task: str, lock: str, **arguments: str) -> None:
    """Have the task of this name done, once for this lock however often it is asked for meanwhile.

    A job that waits already has not begun, and will see what this one would have.
    """
    try:
        with transaction.atomic():
            app.configure_task(task, queueing_lock=lock).defer(**arguments)
    except AlreadyEnqueued:
        pass


class Jobs(JobManager):
    """The queue, in which a job that cannot wait again is no fault: one for the same came meanwhile, and does it."""

    async def retry_job(self, job: Job, *args: Any, **options: Any) -> None:
        """Let it wait once more, or go."""
        try:
            await super().retry_job(job, *args, **options)
        except UniqueViolation:
            await self.finish_job(job=job, status=Status.FAILED, delete_job=True)


def prepare(app: App) -> None:
    """What procrastinate calls when its app is ready (PROCRASTINATE_ON_APP_READY)."""
    app.job_manager = Jobs(app.connector)


async def take_over(jobs: JobManager) -> int:
    """Let the jobs of workers that are gone be done by others; answers how many. One that ends its worker again and
    again is dead after `TRIES`."""
    taken = 0
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=GONE):
        logger.warning("The worker of job %s (%s) is gone.", job.id, job.task_name)
        if is_last_try(job):
            await jobs.finish_job(job=job, status=Status.FAILED, delete_job=False)
        else:
            await jobs.retry_job(job=job)
        taken += 1
    return taken
