"""Every drill, in the order in which they run."""

from drill import (
    clock_off,
    database_restarted,
    disk_full,
    endurance,
    handover_killed,
    jobs,
    network_gone,
    redis_gone,
    schema_interrupted,
    web_killed,
    web_orphaned,
)
from drill.outcome import Drill

DRILLS: tuple[Drill, ...] = (
    web_killed.DRILL,
    database_restarted.FAST,
    database_restarted.IMMEDIATE,
    web_orphaned.DRILL,
    network_gone.CUT,
    network_gone.SILENT,
    clock_off.DRILL,
    schema_interrupted.DRILL,
    handover_killed.DRILL,
    jobs.SHARED,
    jobs.KILLED,
    redis_gone.DRILL,
    endurance.DRILL,
    disk_full.DRILL,
)
