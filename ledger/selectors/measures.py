"""What a number of entries adds up to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number of entries with what they add up to: litres, gross amount, tax in it."""

    count: int = 0
    volume: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """The amount without the tax in it, so that net and tax add up to the amount."""
        return self.amount - self.tax

    def __add__(self, other: Measure) -> Measure:
        return Measure(
            count=self.count + other.count,
            volume=self.volume + other.volume,
            amount=self.amount + other.amount,
            tax=self.tax + other.tax,
        )

    def __sub__(self, other: Measure) -> Measure:
        return Measure(
            count=self.count - other.count,
            volume=self.volume - other.volume,
            amount=self.amount - other.amount,
            tax=self.tax - other.tax,
        )
