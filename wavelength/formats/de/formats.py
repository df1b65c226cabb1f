"""German: days have a point, and so have shortened months."""

LONG_DAY_FORMAT = "j. F"
SHORT_DAY_FORMAT = "j. N"
SHORT_MONTH_FORMAT = "N Y"
MOMENT_FORMAT = "j. N Y, H:i"
SHORT_MOMENT_FORMAT = "j. N, H:i"
