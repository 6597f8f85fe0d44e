"""The geometry of small charts: numbers only, in the units of an SVG's view box.

Templates draw them (`templates/components/`). A value of None leaves a gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

Value = Decimal | float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A column that stands on the chart's lower edge."""

    x: float
    y: float
    width: float
    height: float
    index: int
    value: Value


@dataclass(frozen=True, slots=True)
class Line:
    """A line through the values: each unbroken run of points, and where the last one lies."""

    runs: list[str]
    areas: list[str]
    last_x: float
    last_y: float
    is_flat: bool


@dataclass(frozen=True, slots=True)
class Level:
    """A part of a vessel: from `y` downwards for `height`."""

    y: float
    height: float


def bars(
    values: Sequence[Value], *, width: float, height: float, gap: float = 1, least: float = 1
) -> list[Bar]:
    """Return a column for each value, the highest as high as the chart.

    A value above zero is at least `least` high, so that little is not taken for nothing.
    """
    if not values:
        return []
    top = max((float(value) for value in values if value is not None), default=0)
    step = (width + gap) / len(values)
    found = []
    for index, value in enumerate(values):
        size = max(float(value or 0), 0)
        tall = max(height * size / top, least) if size and top > 0 else 0
        found.append(
            Bar(
                x=_round(index * step),
                y=_round(height - tall),
                width=_round(step - gap),
                height=_round(tall),
                index=index,
                value=value,
            )
        )
    return found


def outline(columns: Sequence[Bar]) -> str:
    """Return columns as the one path of an SVG: a table of charts has thousands of them."""
    return "".join(
        f"M{bar.x} {bar.y}h{bar.width}v{bar.height}h-{bar.width}z" for bar in columns if bar.height
    )


def line(values: Sequence[Value], *, width: float, height: float, inset: float = 2) -> Line:
    """Return a line through the values from left to right, zero at the lower edge."""
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    top = max(known, default=0)
    step = width / max(len(values) - 1, 1)
    base = height - inset

    def point(index: int, value: float) -> tuple[float, float]:
        share = max(value, 0) / top if top > 0 else 0
        return _round(index * step), _round(base - share * (height - 2 * inset))

    points = [
        None if value is None or not math.isfinite(value) else point(index, float(value))
        for index, value in enumerate(values)
    ]
    runs = [
        [spot for spot in run if spot is not None]
        for is_known, run in groupby(points, key=lambda spot: spot is not None)
        if is_known
    ]
    last = runs[-1][-1] if runs else (0.0, base)
    return Line(
        runs=[_path(run) for run in runs if len(run) > 1],
        areas=[
            f"{run[0][0]},{base} {_path(run)} {run[-1][0]},{base}" for run in runs if len(run) > 1
        ],
        last_x=last[0],
        last_y=last[1],
        is_flat=top <= 0,
    )


def level(part: Value, whole: Value, *, height: float, below: float = 0) -> Level:
    """Return how a part of a whole fills a vessel, standing on what is `below` it.

    More than the whole fills it, less than nothing leaves it empty.
    """
    if not part or not whole or whole <= 0:
        return Level(y=_round(height - below), height=0)
    tall = min(max(float(part) / float(whole), 0), 1) * height
    tall = min(tall, height - below)
    return Level(y=_round(height - below - tall), height=_round(tall))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _round(value: float) -> float:
    return round(value, 2)
