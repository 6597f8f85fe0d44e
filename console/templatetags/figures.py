"""Filters for figures and the small charts beside them. Markup is in `templates/components/`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar

from django import template

from console import alarm_words as alarms
from console import charts, formatting
from console.fault_words import fault_words as fault_words_of
from ledger.selectors.days import MissingRange
from ledger.selectors.ingest import PulseSpan
from ledger.selectors.pace import DayByHour
from ledger.selectors.reports_stock import StockLine

register = template.Library()
T = TypeVar("T", bound=formatting.Number)

#: A template gives an empty text for an attribute of None.
Missing = Literal[""] | None

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 32
HOURS_WIDTH, HOURS_HEIGHT = 96, 24
HOURS_A_LABEL = 3
PLOT_WIDTH, PLOT_HEIGHT = 600, 104
#: Milliseconds that an axis of times names: 0.1 ms to 100 ms, 1 s, 10 s, 1 min, 10 min, 1 h, ...
TIMES_MS = (0.1, 1, 10, 100, 1e3, 1e4, 6e4, 6e5, 3.6e6, 2.16e7, 8.64e7, 8.64e8, 8.64e9)
#: How each figure of a minute reads; the words for it are in `components/minute_column.html`.
MEASURES = {
    "received_per_s": "rate",
    "stored_per_s": "rate",
    "live_per_s": "rate",
    "duplicates": "count",
    "quarantined": "count",
    "late": "count",
    "backlog": "count",
    "latency_ms_p50": "time",
    "latency_ms_p95": "time",
    "latency_ms_p99": "time",
    "latency_ms_max": "time",
    "lag_ms_p50": "time",
    "lag_ms_p99": "time",
    "late_lag_ms_p50": "time",
    "late_lag_ms_p99": "time",
}
HOUR_HEIGHT = 100


#: A mark for each hour, below the chart, also where nothing was sold.
_HOURS_BASE = "".join(
    f"M{bar.x:g} {HOURS_HEIGHT}h{bar.width:g}v1h-{bar.width:g}z"
    for bar in charts.bars([1] * 24, width=HOURS_WIDTH, height=HOURS_HEIGHT)
)


@register.filter
def number(value: formatting.Number | Missing, places: int = 0) -> str:
    """`{{ count|number }}`, `{{ volume|number:2 }}`."""
    return formatting.number(_known(value), places)


@register.filter
def signed(value: formatting.Number | Missing, places: int = 0) -> str:
    """`{{ difference|signed:3 }}`: with a plus or a minus."""
    return formatting.signed(_known(value), places)


@register.filter
def compact(value: formatting.Number | Missing) -> str:
    """`{{ litres|compact }}`: 12.3k."""
    return formatting.compact(_known(value))


@register.filter
def rate(value: float | None) -> str:
    """`{{ per_second|rate }}`."""
    return formatting.rate(value)


@register.filter
def money(amount: Decimal | Missing, currency: str) -> str:
    """`{{ amount|money:site.currency }}`."""
    return formatting.money(_known(amount), currency)


@register.filter
def unit_price(price: Decimal | Missing, currency: str) -> str:
    """`{{ entry.unit_price|unit_price:site.currency }}`: a price for a litre, 4 places."""
    return formatting.money(_known(price), currency, places=4)


@register.filter
def signed_money(amount: Decimal | Missing, currency: str) -> str:
    """`{{ difference|signed_money:site.currency }}`: with a plus or a minus."""
    return formatting.money(_known(amount), currency, sign=True)


@register.filter
def duration(milliseconds: float | None) -> formatting.Quantity:
    """`{% with time=ms|duration %}{{ time.figure }} {{ time.unit }}{% endwith %}`."""
    return formatting.duration(milliseconds)


@register.filter
def numbers(values: Sequence[int]) -> str:
    """`{{ forecast.tanks|numbers }}`: 1, 2 and 4."""
    return formatting.numbers(values)


@register.filter
def near_time(at: datetime.datetime) -> str:
    """`{{ forecast.lasts_until|near_time }}`: about when, Thursday 14:00."""
    return formatting.near_time(at)


@register.filter
def ranges(parts: Sequence[MissingRange]) -> str:
    """`{{ summary.missing|ranges }}`: 17, 18 and 40 to 52."""
    return formatting.ranges(parts)


@register.filter
def stated(value: Any) -> str:
    """`{{ line.newcomer|stated }}`: a value of any kind as it was stated; a dash if absent."""
    return formatting.stated(value)


@register.filter
def percent_of(part: Decimal | None, whole: Decimal | None) -> str:
    """`{{ volume|percent_of:capacity }}`: whole per cent, or a dash."""
    if part is None or not whole or whole < 0:
        return formatting.UNKNOWN
    return formatting.number(100 * part / whole)


@register.filter
def less(value: Decimal | None, other: Decimal | None) -> Decimal | None:
    """`{{ row.closing|less:row.opening|number:3 }}`: unknown if either is."""
    return None if value is None or other is None else value - other


@register.filter
def fault_words(detail: str) -> str:
    """`{{ message.detail|fault_words }}`: why a message was refused, as a sentence."""
    return fault_words_of(detail)


@register.filter
def words(code: str) -> str:
    """`{{ change.name|words }}`: an identifier as words, old_value as old value."""
    return code.replace("_", " ").replace("-", " ")


@register.filter
def alarm_words(code: str) -> str:
    """`{{ alarm.code|alarm_words }}`: low_product as product low; an unknown code as it is."""
    return alarms.alarm_words(code)


@register.filter
def device_words(device: str) -> str:
    """`{{ alarm.device|device_words }}`: fuelling_point as Fuelling point."""
    return alarms.device_words(device)


@register.filter
def lookup(mapping: dict[Any, Any], key: Any) -> Any:
    """`{{ families|lookup:product }}`: an empty text for an unknown key."""
    return mapping.get(key, "")


@register.inclusion_tag("components/sparkline.html")
def sparkline(values: Sequence[charts.Value], label: str) -> dict[str, Any]:
    """`{% sparkline values label %}`: the line of the last hour; `label` says it in words."""
    return {
        "line": charts.line(values, width=SPARKLINE_WIDTH, height=SPARKLINE_HEIGHT),
        "width": SPARKLINE_WIDTH,
        "height": SPARKLINE_HEIGHT,
        "label": label,
    }


@register.inclusion_tag("components/hours.html")
def hours(values: Sequence[charts.Value], label: str) -> dict[str, Any]:
    """`{% hours row.hours label %}`: a small column for each hour of the day."""
    return {
        "outline": charts.outline(charts.bars(values, width=HOURS_WIDTH, height=HOURS_HEIGHT)),
        "base": _HOURS_BASE,
        "width": HOURS_WIDTH,
        "height": HOURS_HEIGHT,
        "label": label,
    }


@register.filter
def measure(span: PulseSpan, column: str) -> str:
    """`{{ minute|measure:"latency_ms_p99" }}`: a figure with its unit; a dash if unknown."""
    return _measured(_of(span, column), MEASURES[column])


@register.inclusion_tag("components/plot.html")
def plot(minutes: Sequence[PulseSpan], columns: str, title: str, name: str) -> dict[str, Any]:
    """`{% plot minutes "lag_ms_p50 lag_ms_p99" title "lag" %}`: figures of minutes over time.

    Times are drawn as lines over decades, rates as lines from zero, counts as columns; `columns`
    are of one kind, and a count stands alone. `name` tells the plots of a page apart.
    """
    names = columns.split()
    kind = MEASURES[names[0]]
    series = [[_of(minute, column) for minute in minutes] for column in names]
    size = {"width": PLOT_WIDTH, "height": PLOT_HEIGHT}
    drawn = charts.plot(series, **size, ladder=TIMES_MS if kind == "time" else ())
    known = [value for values in series for value in values if value is not None]
    lines = [] if kind == "count" else drawn.lines
    return {
        "name": name,
        "title": title,
        "kind": kind,
        "columns": [
            {
                "name": column,
                "runs": lines[place] if lines else [],
                "newest": measure(minutes[-1], column) if minutes else formatting.UNKNOWN,
            }
            for place, column in enumerate(names)
        ],
        "is_bars": kind == "count",
        "outline": charts.outline(
            charts.bars(series[0], **size, gap=2, least=2, top=drawn.ticks[-1].value)
            if kind == "count"
            else []
        ),
        "ticks": [{"y": tick.y, "label": _short(tick.value, kind)} for tick in drawn.ticks],
        "highest": _measured(max(known, default=None), kind),
        "last": len(minutes) - 1,
        **size,
    }


def _of(span: PulseSpan, column: str) -> float | None:
    """Return a figure of a span, None where no worker reported."""
    value: float | None = getattr(span, column) if span.reports else None
    return value


def _short(value: float, kind: str) -> str:
    """Return a value of an axis without what is zero behind the point."""
    if kind != "time":
        return formatting.compact(value)
    figure, unit = formatting.duration(value)
    return f"{figure.removesuffix('.0')} {unit}"


def _measured(value: float | None, kind: str) -> str:
    if kind == "time":
        return "\N{NO-BREAK SPACE}".join(formatting.duration(value)).rstrip()
    return formatting.rate(value) if kind == "rate" else formatting.number(value)


@register.inclusion_tag("components/by_hour.html")
def by_hour(day: DayByHour, measure: str, currency: str) -> dict[str, Any]:
    """`{% by_hour by_hour "volume" site.currency %}`: a day's hours beside the usual ones.

    The measure is an attribute of `Measure`: volume, count or amount.
    """
    today = [getattr(pair.today, measure) for pair in day.hours]
    usual = [getattr(pair.usual, measure) for pair in day.hours]
    columns = charts.beside(today, usual, height=HOUR_HEIGHT, least=2)
    return {
        "measure": measure,
        "currency": currency,
        "has_usual": day.is_comparable,
        "height": HOUR_HEIGHT,
        "rows": [
            {
                "pair": pair,
                "today": was,
                "usual": is_usual,
                "bar": bar,
                "mark": mark,
                "is_labelled": index % HOURS_A_LABEL == 0,
                "is_late": index >= len(day.hours) / 2,
            }
            for index, (pair, was, is_usual, (bar, mark)) in enumerate(
                zip(day.hours, today, usual, columns, strict=True)
            )
        ],
    }


#: Few columns stay columns, however wide the page is.
COLUMN_REM_MAX = 4


@register.inclusion_tag("components/columns.html")
def columns(
    values: Sequence[charts.Value], label: str, from_label: str = "", to_label: str = ""
) -> dict[str, Any]:
    """`{% columns amounts label "1 Nov" "30 Nov" %}`: a column for each figure of a period.

    Figures below zero hang from the line of zero; one of None leaves a gap.
    """
    size = {"width": PLOT_WIDTH, "height": PLOT_HEIGHT}
    found, zero = charts.about_zero(values, **size, gap=2)
    return {
        "outline": charts.outline(found),
        "base": f"M0 {zero:g}h{PLOT_WIDTH}v1h-{PLOT_WIDTH}z",
        "widest": f"{len(values) * COLUMN_REM_MAX}rem",
        "label": label,
        "from_label": from_label,
        "to_label": to_label,
        **size,
    }


@register.filter
def amounts(lines: Sequence[Any]) -> list[Decimal]:
    """`{{ totals.times|amounts }}`: the turnover's amount of each line."""
    return [line.turnover.amount for line in lines]


@register.filter
def variances(lines: Sequence[StockLine]) -> list[Decimal | None]:
    """`{{ trend.lines|variances }}`: each day's variance, None where a dip is missing."""
    return [line.movement.variance for line in lines]


def _known(value: T | Missing) -> T | None:
    return None if value is None or value == "" else value
