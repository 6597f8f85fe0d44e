"""Filters for figures and the small charts beside them. Markup is in `templates/components/`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar

from django import template

from console import charts, formatting
from ledger.selectors.days import MissingRange
from ledger.selectors.sites import HOURS_A_DAY

register = template.Library()
T = TypeVar("T", bound=formatting.Number)

#: A template gives an empty text for an attribute of None.
Missing = Literal[""] | None

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 32
HOURS_WIDTH, HOURS_HEIGHT = 96, 24
CHART_WIDTH, CHART_HEIGHT = 720, 160
HOURS_A_LABEL = 3
#: A mark below each hour of a small chart, so that an hour without sales keeps its place.
_HOURS_BASE = charts.outline(
    [
        dataclasses.replace(bar, y=HOURS_HEIGHT)
        for bar in charts.bars([1] * HOURS_A_DAY, width=HOURS_WIDTH, height=1)
    ]
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
def ranges(parts: Sequence[MissingRange]) -> str:
    """`{{ summary.missing|ranges }}`: 17, 18 and 40 to 52."""
    return formatting.ranges(parts)


@register.filter
def payload(raw: bytes | memoryview | None) -> str:
    """`{{ message.raw_head|payload }}`: bytes as text, never an error."""
    return formatting.payload_text(raw)


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
def words(code: str) -> str:
    """`{{ alarm.code|words }}`: an identifier as words, low_product as low product."""
    return code.replace("_", " ").replace("-", " ")


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
        "base": _HOURS_BASE,
        "columns": charts.outline(charts.bars(values, width=HOURS_WIDTH, height=HOURS_HEIGHT)),
        "width": HOURS_WIDTH,
        "height": HOURS_HEIGHT,
        "label": label,
    }


@register.inclusion_tag("components/hour_chart.html")
def hour_chart(values: Sequence[charts.Value], label: str) -> dict[str, Any]:
    """`{% hour_chart summary.hours label %}`: the hours of a day, large, with their labels."""
    return {
        "bars": charts.bars(values, width=CHART_WIDTH, height=CHART_HEIGHT, gap=6, least=2),
        "hours": range(0, len(values), HOURS_A_LABEL),
        "top": max((value for value in values if value is not None), default=0),
        "width": CHART_WIDTH,
        "height": CHART_HEIGHT,
        "label": label,
    }


def _known(value: T | Missing) -> T | None:
    return None if value is None or value == "" else value
