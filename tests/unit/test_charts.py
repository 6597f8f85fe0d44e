"""The geometry of charts: always inside the frame, whatever the values."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from console import charts

values = st.lists(
    st.none()
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12),
    max_size=60,
)


@given(values)
def test_bars_stay_inside(series: list[charts.Value]) -> None:
    found = charts.bars(series, width=96, height=24)
    assert len(found) == len(series)
    for bar in found:
        assert bar.x >= 0
        assert bar.x + bar.width <= 96.1
        assert bar.y >= 0
        assert bar.y + bar.height <= 24.1


@given(values)
def test_line_stays_inside(series: list[charts.Value]) -> None:
    line = charts.line(series, width=120, height=32)
    for run in line.runs:
        for point in run.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 120.1
            assert 0 <= y <= 32


def test_line_leaves_gaps() -> None:
    line = charts.line([1, 2, None, 3, 4], width=100, height=30)
    assert len(line.runs) == 2


def test_little_is_not_nothing() -> None:
    nothing, little, much = charts.bars([0, Decimal("0.001"), 10**9], width=30, height=24)
    assert (nothing.height, little.height, much.height) == (0, 1, 24)


def test_an_outline_has_the_columns_that_are_there() -> None:
    nothing_and_much = charts.bars([0, 10, 5], width=32, height=24)
    assert (
        charts.outline(nothing_and_much) == "M11.0 0.0h10.0v24.0h-10.0zM22.0 12.0h10.0v12.0h-10.0z"
    )
    assert charts.outline(charts.bars([0, None], width=30, height=24)) == ""


def test_level_never_overflows() -> None:
    assert charts.level(50_000, 30_000, height=120).height == 120
    assert charts.level(-5, 30_000, height=120).height == 0
    assert charts.level(None, None, height=120).height == 0
    on_water = charts.level(30_000, 30_000, height=120, below=12)
    assert (on_water.y, on_water.height) == (0, 108)
