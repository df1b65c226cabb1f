"""Every row of the table, in its order."""

from bench import batch, handover, memory, profile_read, recording, reports, reserving, sealing

ROWS = (
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
