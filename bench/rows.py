"""Every row of the table, in its order."""

from bench import handover, memory, profile_read, sealing

ROWS = (handover.ROW, handover.SHORT, memory.ROW, profile_read.ROW, sealing.ROW)
