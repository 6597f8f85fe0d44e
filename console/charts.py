"""The geometry of small charts: numbers only, in the units of an SVG's view box.

Templates draw them (`templates/components/`). A value of None leaves a gap.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

Value = Decimal | float | None

#: An axis of rungs shows this many of them at most.
RUNGS_MAX = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """A column: from `y` downwards for `height`."""

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
class Tick:
    """A value that an axis names, and where it lies."""

    y: float
    value: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines that share an axis of values: the runs of each, and the axis."""

    lines: list[list[str]]
    ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class Level:
    """A part of a vessel: from `y` downwards for `height`."""

    y: float
    height: float


def bars(
    values: Sequence[Value],
    *,
    width: float,
    height: float,
    gap: float = 1,
    least: float = 1,
    top: float | None = None,
) -> list[Bar]:
    """Return a column for each value, the highest as high as the chart, or `top` would be.

    A value above zero is at least `least` high, so that little is not taken for nothing.
    """
    if not values:
        return []
    if top is None:
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


def about_zero(
    values: Sequence[Value], *, width: float, height: float, gap: float = 1, least: float = 1
) -> tuple[list[Bar], float]:
    """Return a column for each value on one scale, and where zero lies: less hangs from there.

    Without a value below zero that is the chart's lower edge, as in `bars`. A value that is not
    zero is at least `least` high.
    """
    known = [float(value) for value in values if value is not None]
    top, bottom = max(known, default=0), -min(known, default=0)
    top, bottom = max(top, 0), max(bottom, 0)
    zero = height * top / (top + bottom) if bottom else height
    # Little is to be seen on its own side of zero, however little that side has of the scale.
    if bottom:
        zero = min(max(zero, least if top else 0), height - least)
    share = {"width": width, "gap": gap, "least": least}
    above = bars(values, **share, height=zero, top=top)
    hanging = [None if value is None else -value for value in values]
    below = bars(hanging, **share, height=height - zero, top=bottom)
    return [
        Bar(
            x=up.x,
            y=up.y if up.height else _round(zero),
            width=up.width,
            height=up.height or down.height,
            index=up.index,
            value=up.value,
        )
        for up, down in zip(above, below, strict=True)
    ], _round(zero)


def outline(columns: Sequence[Bar]) -> str:
    """Return columns as one path: where a page has hundreds of small charts, one element each."""
    return "".join(
        f"M{bar.x:g} {bar.y:g}h{bar.width:g}v{bar.height:g}h-{bar.width:g}z"
        for bar in columns
        if bar.height
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
    runs = _runs(points)
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


def plot(
    series: Sequence[Sequence[Value]],
    *,
    width: float,
    height: float,
    ladder: Sequence[float] = (),
) -> Plot:
    """Return lines over an axis from zero to a round number.

    With a `ladder` (values above zero, rising) the axis is logarithmic, between two of its rungs;
    what lies below the lower one is drawn there. The ticks are the rungs between.
    """
    known = [
        float(value)
        for values in series
        for value in values
        if value is not None and math.isfinite(value)
    ]
    axis = _rungs(known, ladder) if ladder else _from_zero(known)

    def share(value: float) -> float:
        """Return how high a value lies on the axis, 0 to 1."""
        bottom, top = axis[0], axis[-1]
        value = min(max(value, bottom), top)
        if not ladder:
            return value / top
        return math.log(value / bottom) / math.log(top / bottom)

    step = width / max(max(map(len, series), default=1) - 1, 1)

    def point(index: int, value: Value) -> tuple[float, float] | None:
        if value is None or not math.isfinite(value):
            return None
        return _round(index * step), _round(height * (1 - share(float(value))))

    return Plot(
        lines=[
            # A point alone is a line from there to there: its round ends make it a dot.
            [_path(run if len(run) > 1 else run * 2) for run in _runs(points)]
            for points in ([point(*each) for each in enumerate(values)] for values in series)
        ],
        ticks=[Tick(y=_round(height * (1 - share(value))), value=value) for value in axis],
    )


def _from_zero(values: Sequence[float]) -> list[float]:
    """Return zero, a half and a round number that is as high as all values."""
    # Two at least: half of one event is none.
    top = max([*values, 2.0])
    size = 10.0 ** math.floor(math.log10(top))
    whole = next(step * size for step in (1, 2, 4, 6, 8, 10, 20) if step * size >= top)
    return [0.0, whole / 2, whole]


def _rungs(values: Sequence[float], ladder: Sequence[float]) -> list[float]:
    """Return the rungs around the values, two at least, the RUNGS_MAX highest at most."""
    top = bisect_left(ladder, max(values, default=0.0))
    top = min(max(top, 1), len(ladder) - 1)
    bottom = bisect_right(ladder, min(values, default=0.0)) - 1
    bottom = max(min(bottom, top - 1), top + 1 - RUNGS_MAX, 0)
    return list(ladder[bottom : top + 1])


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Return the unbroken runs of points."""
    return [
        [point for point in run if point is not None]
        for is_known, run in groupby(points, key=lambda point: point is not None)
        if is_known
    ]


def level(part: Value, whole: Value, *, height: float, below: float = 0) -> Level:
    """Return how a part of a whole fills a vessel, standing on what is `below` it.

    More than the whole fills it, less than nothing leaves it empty.
    """
    if not part or not whole or whole <= 0:
        return Level(y=_round(height - below), height=0)
    tall = min(max(float(part) / float(whole), 0), 1) * height
    tall = min(tall, height - below)
    return Level(y=_round(height - below - tall), height=_round(tall))


def beside(
    values: Sequence[Value], others: Sequence[Value], *, height: float, least: float = 1
) -> list[tuple[Level, Level]]:
    """Return columns for two series of the same length on one scale, each as (value, other).

    A value above zero is at least `least` high, so that little is not taken for nothing.
    """
    top = max((float(value or 0) for value in (*values, *others)), default=0)

    def column(value: Value) -> Level:
        size = max(float(value or 0), 0)
        tall = max(height * size / top, least) if size and top > 0 else 0
        return Level(y=_round(height - tall), height=_round(tall))

    return [(column(value), column(other)) for value, other in zip(values, others, strict=True)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _round(value: float) -> float:
    return round(value, 2)
