"""German dates and times."""

TIME_FORMAT = "H:i"
TIME_SECONDS_FORMAT = "H:i:s"
MONTH_DAY_FORMAT = "j. N"
MONTH_DAY_TIME_FORMAT = "j. N, H:i"
MONTH_DAY_SECONDS_FORMAT = "j. N, H:i:s"
MONTH_DAY_ZONE_FORMAT = "j. N, H:i T"
DATE_FORMAT = "j. N Y"
WEEKDAY_DATE_FORMAT = "D, j. N Y"
LONG_DATE_FORMAT = "l, j. F Y"
LONG_MONTH_DAY_FORMAT = "l, j. F"
DATETIME_FORMAT = "j. N Y, H:i:s"
DATETIME_ZONE_FORMAT = "j. N Y, H:i:s T"

# Fields of dates and times are the browser's own, which read and write ISO whatever the language;
# the German way is understood too.
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y"]
TIME_INPUT_FORMATS = ["%H:%M", "%H:%M:%S"]
DATETIME_INPUT_FORMATS = [
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
]
