"""Spanish: names of months are small, shortened ones too (`b`)."""

LONG_DAY_FORMAT = r"j \d\e F"
SHORT_DAY_FORMAT = "j b"
SHORT_MONTH_FORMAT = "b Y"
MOMENT_FORMAT = "j b Y, H:i"
SHORT_MOMENT_FORMAT = "j b, H:i"
