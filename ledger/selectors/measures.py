"""What a number of entries adds up to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number of entries with what they add up to: litres, gross amount, tax in it.

    `tax` is None where it is unknown: no entry states a rate, or taxes are not kept by what this
    is grouped by (a payment, an hour). Where some state none, `unrated` is their part of the gross
    amount and `unrated_count` their number; `tax` is then that of the others. So net, tax and what
    is unrated add up to the amount.
    """

    count: int = 0
    volume: Decimal = _NOTHING
    amount: Decimal = _NOTHING
    tax: Decimal | None = _NOTHING
    unrated_count: int = 0
    unrated: Decimal = _NOTHING

    def __post_init__(self) -> None:
        if self.tax is None:
            object.__setattr__(self, "unrated_count", self.count)
            object.__setattr__(self, "unrated", self.amount)
        elif (
            (self.unrated or self.unrated_count)
            and not self.tax
            and self.unrated == self.amount
            and self.unrated_count == self.count
        ):
            object.__setattr__(self, "tax", None)

    @property
    def net(self) -> Decimal | None:
        """The amount of what states a tax rate, without the tax in it; None where none does."""
        return None if self.tax is None else self.amount - self.unrated - self.tax

    @property
    def gross_without_rate(self) -> Decimal | None:
        """What net and tax lack of the amount; None where they are unknown."""
        return None if self.tax is None else self.unrated

    @property
    def is_nothing(self) -> bool:
        """Whether it adds nothing to anything."""
        return not (
            self.count
            or self.volume
            or self.amount
            or self.tax
            or self.unrated_count
            or self.unrated
        )

    def __add__(self, other: Measure) -> Measure:
        return self._with(other, 1)

    def __sub__(self, other: Measure) -> Measure:
        return self._with(other, -1)

    def _with(self, other: Measure, times: int) -> Measure:
        tax = None
        if self.tax is not None or other.tax is not None:
            tax = (self.tax or _NOTHING) + times * (other.tax or _NOTHING)
        # Where there is nothing its tax is known to be 0, which says nothing of the other's.
        if (self.tax is None and other.is_nothing) or (other.tax is None and self.is_nothing):
            tax = None
        return Measure(
            count=self.count + times * other.count,
            volume=self.volume + times * other.volume,
            amount=self.amount + times * other.amount,
            tax=tax,
            unrated_count=self.unrated_count + times * other.unrated_count,
            unrated=self.unrated + times * other.unrated,
        )


def measure_of(
    count: int,
    volume: Decimal | None,
    amount: Decimal | None,
    tax: Decimal | None,
    *,
    is_rated: bool,
) -> Measure:
    """Return a row of totals as a measure; `is_rated` says whether a tax rate was stated."""
    return Measure(
        count=count,
        volume=volume or _NOTHING,
        amount=amount or _NOTHING,
        tax=(tax or _NOTHING) if is_rated else None,
    )
