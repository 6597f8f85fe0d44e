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


def test_level_never_overflows() -> None:
    assert charts.level(50_000, 30_000, height=120).height == 120
    assert charts.level(-5, 30_000, height=120).height == 0
    assert charts.level(None, None, height=120).height == 0
    on_water = charts.level(30_000, 30_000, height=120, below=12)
    assert (on_water.y, on_water.height) == (0, 108)


@given(values)
def test_columns_beside_each_other_are_on_one_scale(series: list[charts.Value]) -> None:
    others = series[::-1]
    pairs = charts.beside(series, others, height=100)
    assert [pair[0] for pair in pairs] == [pair[1] for pair in pairs[::-1]]
    for level in (level for pair in pairs for level in pair):
        assert 0 <= level.y <= 100
        assert abs(level.y + level.height - 100) < 0.02


def test_columns_beside_each_other_keep_little_visible() -> None:
    ((little, much),) = charts.beside([Decimal("0.001")], [10**9], height=100, least=2)
    assert (little.height, much.height) == (2, 100)
    assert charts.beside([], [], height=100) == []
