"""Every row of the table, in its order."""

from bench import batch, handover, memory, pages, profile_read, recording, reports, reserving, sealing

ROWS = (
    # First, for what the others leave would make their small database a large one.
    *pages.ROWS_OF_PAGES,
    handover.ROW,
    handover.SHORT,
    memory.ROW,
    profile_read.ROW,
    recording.FEW,
    recording.MANY,
    recording.DATABASE,
    reserving.ROW,
    batch.ROW,
    batch.NAMED,
    reports.ROW,
    reports.HTTP,
    reports.TAIL,
    sealing.ROW,
)
