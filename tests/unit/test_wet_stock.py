"""The arithmetic of wet stock: book, variance, and the two rules."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.wet_stock import (
    WET_STOCK_MONTHLY_LITRES,
    WET_STOCK_MONTHLY_PERMILLE,
    Allowance,
    TankMovement,
    Variance,
    cumulative,
)

MONTHLY = Allowance(permille=WET_STOCK_MONTHLY_PERMILLE, litres=WET_STOCK_MONTHLY_LITRES)


def movement(closing: str | None = "11_000", opening: str | None = "10_000") -> TankMovement:
    return TankMovement(
        opening=None if opening is None else Decimal(opening),
        delivered=Decimal(5_000),
        metered=Decimal(4_040),
        tests=Decimal(40),
        closing=None if closing is None else Decimal(closing),
    )


def test_book_is_the_opening_and_deliveries_less_sales_with_tests_added_back() -> None:
    assert movement().book == 10_000 + 5_000 - 4_040 + 40
    assert movement().throughput == 4_000


@pytest.mark.parametrize(("closing", "variance"), [("11_000", 0), ("10_990", -10), ("11_025", 25)])
def test_a_variance_is_negative_for_a_loss(closing: str, variance: int) -> None:
    assert movement(closing).variance == variance


def test_without_a_dip_nothing_is_known() -> None:
    assert movement(closing=None).variance is None
    assert movement(opening=None).book is None
    assert movement(opening=None).variance is None


def test_the_monthly_rule_is_one_per_cent_and_130_us_gallons() -> None:
    assert (Decimal("3.785411784") * 130).quantize(Decimal("0.001")) == WET_STOCK_MONTHLY_LITRES
    assert MONTHLY.of(Decimal(100_000)) == Decimal("1492.104")
    assert MONTHLY.of(Decimal(0)) == WET_STOCK_MONTHLY_LITRES


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_rule_allows_its_limit_and_nothing_beyond(sign: int) -> None:
    rule = Allowance(permille=Decimal(5), litres=Decimal(20))
    limit = Variance(litres=sign * Decimal(70), throughput=Decimal(10_000), days=1)
    assert not limit.exceeds(rule)
    beyond = Variance(litres=sign * Decimal("70.001"), throughput=Decimal(10_000), days=1)
    assert beyond.exceeds(rule)


def test_days_add_up_but_those_without_a_dip_say_nothing() -> None:
    month = cumulative([movement("10_990"), movement(None), movement("11_004")])
    assert month == Variance(litres=Decimal(-6), throughput=Decimal(8_000), days=2)
    assert month.permille == Decimal("-0.8")
    assert cumulative([]) == Variance()
    assert cumulative([]).permille is None
    # Nobody knows of a loss where no day was dipped twice; that is not to know of none.
    unknown = cumulative([movement(None)])
    assert (unknown.litres, unknown.throughput, unknown.exceeds(rule_of_nothing())) == (
        *(None, None),
        False,
    )


def rule_of_nothing() -> Allowance:
    return Allowance(permille=Decimal(0))
