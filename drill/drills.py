"""Every drill, in the order in which they run."""

from drill import database_restarted, web_killed
from drill.outcome import Drill

DRILLS: tuple[Drill, ...] = (web_killed.DRILL, database_restarted.FAST, database_restarted.IMMEDIATE)
