"""The small parts that pages are made of; each is one template below `templates/components/`."""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from console import charts, formatting
from ledger.selectors.forecourt import TankView

register = template.Library()

VESSEL_HEIGHT = 120
#: More drawings than there are.
ICONS_MAX = 256
#: What a page's address says about where in a list it is.
PLACE_PARAMETERS = ("before", "after", "page")


@register.simple_tag
def page_query(data: QueryDict, **place: int | str) -> str:
    """`{% page_query form.data before=41 %}`: the filter as it is, but for these."""
    query = data.copy()
    for name in PLACE_PARAMETERS:
        query.pop(name, None)
    for name, value in place.items():
        query[name] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag
def icon(name: str) -> SafeString:
    """`{% icon "pump" %}`: a drawing from `components/icons.html`, always beside a word."""
    # A page has hundreds of them, and all of a name are the same.
    return _icon.__wrapped__(name) if settings.DEBUG else _icon(name)


@lru_cache(maxsize=ICONS_MAX)
def _icon(name: str) -> SafeString:
    return render_to_string("components/icon.html", {"name": name})


@register.inclusion_tag("components/quantity.html")
def quantity(value: Decimal | None, unit: str, places: int = 0) -> dict[str, Any]:
    """`{% quantity tank.volume "L" %}`: a figure with its unit set apart; a dash if unknown."""
    return {
        "figure": formatting.number(value, places),
        "unit": unit,
        "is_known": value is not None,
    }


@register.inclusion_tag("components/age.html")
def age(at: datetime.datetime | None) -> dict[str, Any]:
    """`{% age row.heard_at %}`: a time that a script turns into its age."""
    return {"at": at}


@register.inclusion_tag("components/age_for.html")
def age_for(at: datetime.datetime | None) -> dict[str, Any]:
    """`{% age_for pump.since %}`: a time that a script turns into how long it lasts already."""
    return {"at": at}


@register.inclusion_tag("components/clock.html")
def clock(at: datetime.datetime | None) -> dict[str, Any]:
    """`{% clock worker.since %}`: a time that a script turns into the reader's own clock's."""
    return {"at": at}


@register.inclusion_tag("components/moment.html")
def moment(at: datetime.datetime | None, size: str = "") -> dict[str, Any]:
    """`{% moment event.at %}`, `{% moment day.closed_at "short" %}`: a time by the page's clock."""
    return {"at": at, "is_short": size == "short"}


@register.inclusion_tag("components/product.html")
def product(code: str | None, families: dict[str, str]) -> dict[str, Any]:
    """`{% product entry.product families %}`: a product's chip in the colour of its family."""
    return {"code": code, "family": families.get(code or "", "")}


@register.inclusion_tag("components/vessel.html")
def vessel(tank: TankView, families: dict[str, str]) -> dict[str, Any]:
    """`{% vessel tank families %}`: a tank drawn: product above water, low and high mark."""
    capacity = tank.capacity
    water = charts.level(tank.water, capacity, height=VESSEL_HEIGHT)
    return {
        "tank": tank,
        "family": families.get(tank.product, ""),
        "height": VESSEL_HEIGHT,
        "water": water,
        "fuel": charts.level(tank.volume, capacity, height=VESSEL_HEIGHT, below=water.height),
        "low": charts.level(tank.low_mark, capacity, height=VESSEL_HEIGHT),
        "high": charts.level(tank.high_mark, capacity, height=VESSEL_HEIGHT),
    }
