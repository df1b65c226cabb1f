"""Every row of the table, in its order."""

from bench import handover, memory, profile_read, recording, sealing

ROWS = (
    handover.ROW,
    handover.SHORT,
    memory.ROW,
    profile_read.ROW,
    recording.FEW,
    recording.MANY,
    recording.DATABASE,
    sealing.ROW,
)
