"""What this app keeps of the whole service: figures, and what processes share; it tells of nobody."""

from typing import ClassVar, Final

from django.db import models
from procrastinate.contrib.django.models import ProcrastinateJob

NAME_LENGTH: Final = 32
LABEL_LENGTH: Final = 200


class SystemMetric(models.Model):
    """One figure of one hour, such as how often a route was asked for; `label` says of what, by a word of ours.

    `hour` is when the hour starts; after a week a day's hours are one row at its midnight of UTC (wavelength/
    collecting.py). Figures of whole days and weeks stand at their first hour. No id, address or text of anybody stands
    here, so it carries no policy.
    """

    operator_columns: ClassVar[tuple[str, ...]] = ("name", "hour", "label", "value")

    # The name leads: a page reads stretches of time of a few names.
    pk = models.CompositePrimaryKey("name", "hour", "label")
    name = models.CharField(max_length=NAME_LENGTH)
    hour = models.DateTimeField()
    label = models.CharField(max_length=LABEL_LENGTH, blank=True)
    value = models.DecimalField(max_digits=36, decimal_places=12)

    def __str__(self) -> str:
        return f"{self.name} {self.label}, {self.hour:%Y-%m-%d %H:%M}"


class SharedValue(models.Model):
    """What the processes of this installation tell one another for a while, where there is no Redis.

    Rows are written by wavelength/stores.py alone. A key is an HMAC: nobody's address or id stands here. The table is
    unlogged: a crash of the database empties it, a backup leaves it out, and writing it costs little.
    """

    key = models.CharField(primary_key=True, max_length=64)
    value = models.TextField(db_default="")
    amount = models.BigIntegerField(db_default=0)
    ends_at = models.DateTimeField()

    class Meta:
        db_table = "wavelength_shared"


class OperatorAlert(models.Model):
    """A condition that operators are told of once when it begins and once when it is over; it tells of nobody.

    It holds since `begun_at` (null: it does not) and was last seen at `seen_at`. `told` is whether the operators think
    that it holds, and `telling_at` when a process last set out to tell them otherwise.
    """

    app_privileges: ClassVar[tuple[str, ...]] = ("SELECT", "INSERT", "UPDATE")
    operator_columns: ClassVar[tuple[str, ...]] = ("name", "begun_at", "seen_at", "sentence", "told", "telling_at")

    name = models.CharField(max_length=NAME_LENGTH, primary_key=True)
    begun_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    sentence = models.CharField(max_length=500)
    told = models.BooleanField(db_default=False)
    telling_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class DeadJob(ProcrastinateJob):
    """A job that failed for good, as the admin shows it: its name holds nothing of what it was given."""

    class Meta:
        proxy = True
        verbose_name = "dead job"

    def __str__(self) -> str:
        return f"Job {self.pk}"
