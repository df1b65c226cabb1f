"""Every row of the table, in its order."""

from bench import batch, handover, memory, pages, profile_read, recording, reports, reserving, sealing

ROWS = (
    handover.ROW,
    handover.SHORT,
    memory.ROW,
    *pages.ROWS_OF_PAGES,
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
