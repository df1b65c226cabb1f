"""Jobs that are dead, for operators to look at and to have tried again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import DateTimeField, Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation

from wavelength.admin import OperatorModelAdmin
from wavelength.models import DeadJob


@admin.register(DeadJob)
class DeadJobAdmin(OperatorModelAdmin):
    """Those that failed for good. Of what they were given, ids and numbers are shown and nothing else."""

    columns = ("id", "task_name", "args", "attempts", "status")
    list_display = ("id", "task_name", "given", "attempts", "failed_at")
    list_filter = ("task_name",)
    fields = readonly_fields = ("id", "task_name", "given", "attempts", "failed_at")
    ordering = ("-id",)
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadJob]:
        failed_at = Max("procrastinateevent__at", output_field=DateTimeField())
        dead: QuerySet[DeadJob] = (
            super().get_queryset(request).filter(status="failed").annotate(last_event_at=failed_at)
        )
        return dead

    @admin.display(description="given")
    def given(self, job: DeadJob) -> str:
        """Its arguments; text that is no id could be anybody's."""
        return ", ".join(f"{name}: {_shown(value)}" for name, value in job.args.items())

    @admin.display(description="failed at", ordering="last_event_at")
    def failed_at(self, job: Any) -> datetime | None:
        """When it failed last."""
        moment: datetime | None = job.last_event_at
        return moment

    @admin.action(description="Try the selected jobs again")
    def try_again(self, request: HttpRequest, jobs: QuerySet[DeadJob]) -> None:
        """Queue them once more; one that fails again is dead again."""
        queued = 0
        for job in jobs:
            try:
                # On the application's connection: the operator's may not write here.
                app.job_manager.retry_job_by_id(job.id, timezone.now())
            except UniqueViolation:
                self.message_user(request, f"Job {job.id}: one for the same waits already.", messages.WARNING)
            else:
                queued += 1
                self.log_change(request, job, "Tried again.")
        self.message_user(request, f"{queued} of the selected jobs are queued again.")


def _shown(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    try:
        return str(UUID(str(value)))
    except ValueError:
        return "[hidden]"
