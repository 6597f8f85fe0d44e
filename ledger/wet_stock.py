"""Wet stock: what a tank should hold by the books, and how far from it a dip may be.

Pure formulas over litres at pump conditions, all `Decimal`. Book stock is the opening dip plus
deliveries less what the meters sold, tests that went back into the tank added back; the variance
is the closing dip less book. What went through a nozzle is what its own meter counted where the
day has it, for an entry can be lost; else what its entries add up to. One day says little, for
gauge and meter have their own errors; so each rule allows a part of the throughput and some litres
on top, and the month so far is judged beside the day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.differences import less_ledger

#: Vendors of tank gauges advise to look into more than 0.5 % of what was sold.
WET_STOCK_DAILY_PERMILLE = Decimal("5.0")
#: What a gauge cannot tell: a few millimetres of height, even on a day without sales.
WET_STOCK_DAILY_LITRES = Decimal("20.000")
#: The rule of the US Environmental Protection Agency: 1.0 % of a month's throughput ...
WET_STOCK_MONTHLY_PERMILLE = Decimal("10.0")
#: ... and 130 US gallons of 3.785411784 litres.
WET_STOCK_MONTHLY_LITRES = Decimal("492.104")

#: More than a nozzle can give in a day: a high-flow one gives 130 litres a minute at most.
NOZZLE_DAY_LITRES_MAX = Decimal(200_000)

_PERMILLE = Decimal(1000)
_MILLILITRE = Decimal("0.001")


class MeteredBy(models.TextChoices):
    """What the litres that left a tank were counted by."""

    METERS = "meters", _("meters")
    ENTRIES = "entries", _("entries")
    BOTH = "meters_and_entries", _("meters and entries")


def meter_litres(opening: Decimal | None, closing: Decimal | None) -> Decimal | None:
    """Return what a nozzle's meter counted in a day; None where it does not say.

    It was not read twice, or it was replaced or set anew between the readings: then it goes
    backwards, or by more than a nozzle can give.
    """
    if opening is None or closing is None or not 0 <= closing - opening <= NOZZLE_DAY_LITRES_MAX:
        return None
    return closing - opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A rule: so many thousandths of the throughput, and so many litres on top."""

    permille: Decimal
    litres: Decimal = Decimal(0)

    def of(self, throughput: Decimal) -> Decimal:
        """Return how many litres a variance may be, to the millilitre."""
        allowed = throughput * self.permille / _PERMILLE + self.litres
        return allowed.quantize(_MILLILITRE, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class TankMovement:
    """What went into and out of a tank in one day, in litres; a dip of None was not taken.

    `metered` is all that went through its nozzles, counted as `metered_by` says; `tests` is the
    part that went back.
    """

    opening: Decimal | None
    delivered: Decimal = Decimal(0)
    metered: Decimal = Decimal(0)
    tests: Decimal = Decimal(0)
    closing: Decimal | None
    metered_by: MeteredBy = MeteredBy.ENTRIES

    @property
    def throughput(self) -> Decimal:
        """What left the tank for good."""
        return self.metered - self.tests

    @property
    def book(self) -> Decimal | None:
        """What the tank should hold at the end, None without an opening dip."""
        if self.opening is None:
            return None
        return self.opening + self.delivered - self.metered + self.tests

    @property
    def variance(self) -> Decimal | None:
        """Closing dip less book: negative is a loss. None where a dip is missing."""
        if self.book is None:
            return None
        return less_ledger(self.closing, self.book)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variance:
    """A variance in litres against the throughput it belongs to, over `days` days that have one.

    Both are None where none has: nobody knows then what the tank lacks.
    """

    litres: Decimal | None = None
    throughput: Decimal | None = None
    days: int = 0

    @property
    def permille(self) -> Decimal | None:
        """The variance in thousandths of the throughput, None where nothing was sold."""
        if self.litres is None or not self.throughput:
            return None
        return (self.litres * _PERMILLE / self.throughput).quantize(Decimal("0.1"), ROUND_HALF_UP)

    def exceeds(self, allowance: Allowance) -> bool:
        """Whether it is beyond what the rule allows, be it a loss or a gain."""
        if self.litres is None or self.throughput is None:
            return False
        return abs(self.litres) > allowance.of(self.throughput)


def cumulative(movements: Iterable[TankMovement]) -> Variance:
    """Add up the days that have both dips; a day without says nothing about the stock."""
    litres = throughput = Decimal(0)
    days = 0
    for movement in movements:
        if (variance := movement.variance) is None:
            continue
        litres += variance
        throughput += movement.throughput
        days += 1
    return Variance(litres=litres, throughput=throughput, days=days) if days else Variance()
