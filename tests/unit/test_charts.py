"""The geometry of charts: always inside the frame, whatever the values."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given
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


@given(values)
def test_columns_about_zero_stay_on_their_side(series: list[charts.Value]) -> None:
    found, zero = charts.about_zero(series, width=96, height=24)
    assert 0 <= zero <= 24
    assert len(found) == len(series)
    for value, bar in zip(series, found, strict=True):
        assert (bar.height > 0) == bool(value)
        if value and value > 0:
            assert 0 <= bar.y <= bar.y + bar.height <= zero + 0.1
        else:
            assert zero <= bar.y <= bar.y + bar.height <= 24.1


def test_columns_above_and_below_zero_have_one_scale() -> None:
    found, zero = charts.about_zero([Decimal(20), -10, None, 0], width=30, height=30)
    assert zero == 20
    assert [(bar.y, bar.height) for bar in found] == [(0, 20), (20, 10), (20, 0), (20, 0)]


def test_columns_without_one_below_zero_stand_on_the_edge() -> None:
    assert charts.about_zero([0, 10, 5], width=32, height=24) == (
        charts.bars([0, 10, 5], width=32, height=24),
        24,
    )


def test_an_outline_has_the_columns_that_are_there() -> None:
    nothing_and_much = charts.bars([0, 10, 5], width=32, height=24)
    assert charts.outline(nothing_and_much) == "M11 0h10v24h-10zM22 12h10v12h-10z"
    assert charts.outline(charts.bars([0, None], width=30, height=24)) == ""


def test_level_never_overflows() -> None:
    assert charts.level(50_000, 30_000, height=120).height == 120
    assert charts.level(-5, 30_000, height=120).height == 0
    assert charts.level(None, None, height=120).height == 0
    on_water = charts.level(30_000, 30_000, height=120, below=12)
    assert (on_water.y, on_water.height) == (0, 108)


LADDER = (1.0, 10.0, 100.0, 1_000.0, 60_000.0)


@given(st.lists(values, max_size=4), st.sampled_from([(), LADDER]))
def test_plots_stay_inside(series: list[list[charts.Value]], ladder: tuple[float, ...]) -> None:
    plot = charts.plot(series, width=600, height=104, ladder=ladder)
    assert len(plot.lines) == len(series)
    for run in (run for line in plot.lines for run in line):
        for point in run.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 600.1
            assert 0 <= y <= 104.1
    assert len(plot.ticks) >= 2
    assert (plot.ticks[0].y, plot.ticks[-1].y) == (104, 0)


@given(st.floats(min_value=0, max_value=1e12))
@example(5e-324)
@example(999.9999999999999)
def test_a_plot_s_axis_is_as_high_as_its_values(value: float) -> None:
    low, half, high = (tick.value for tick in charts.plot([[value]], width=9, height=9).ticks)
    assert low == 0
    assert half == high / 2
    assert value <= high <= max(value * 2, 2)


def test_a_plot_of_nothing_has_an_axis() -> None:
    assert charts.plot([], width=9, height=9).lines == []
    assert [tick.value for tick in charts.plot([[None]], width=9, height=9).ticks] == [0, 1, 2]


def test_an_axis_of_rungs_is_between_those_around_the_values() -> None:
    def rungs(*series: charts.Value) -> list[float]:
        return [
            tick.value for tick in charts.plot([series], width=9, height=9, ladder=LADDER).ticks
        ]

    assert rungs(12, 80) == [10, 100]
    assert rungs(10, None, 101) == [10, 100, 1_000]
    assert rungs(-5) == [1, 10]
    assert rungs(10**9) == [1_000, 60_000]
    assert rungs() == [1, 10]


def test_a_value_alone_is_a_dot_and_a_gap_stays_one() -> None:
    [line] = charts.plot([[1, None, 2, 2]], width=30, height=10).lines
    assert line == ["0.0,5.0 0.0,5.0", "20.0,0.0 30.0,0.0"]


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
