"""English dates and times, the day before the month and the clock of 24 hours."""

TIME_FORMAT = "H:i"
TIME_SECONDS_FORMAT = "H:i:s"
MONTH_DAY_FORMAT = "j M"
MONTH_DAY_TIME_FORMAT = "j M, H:i"
MONTH_DAY_SECONDS_FORMAT = "j M, H:i:s"
MONTH_DAY_ZONE_FORMAT = "j M, H:i T"
DATE_FORMAT = "j M Y"
WEEKDAY_DATE_FORMAT = "D j M Y"
LONG_DATE_FORMAT = "l, j F Y"
LONG_MONTH_DAY_FORMAT = "l, j F"
DATETIME_FORMAT = "j M Y, H:i:s"
DATETIME_ZONE_FORMAT = "j M Y, H:i:s T"

# Fields of dates and times are the browser's own, which read and write ISO whatever the language;
# the English way is understood too.
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%d/%m/%Y", "%d/%m/%y"]
TIME_INPUT_FORMATS = ["%H:%M", "%H:%M:%S"]
DATETIME_INPUT_FORMATS = [
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
]
