"""The reconciliation of a fiscal day: what differs, and which differences are explained.

A difference is stated as a short canonical text. An explanation repeats that text, so it covers
the difference exactly as long as it stays the same. A sealed day's stays explained as it was: an
older console stated some differences in other words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ledger.differences import less_ledger
from ledger.models import Explanation, FiscalDay
from ledger.selectors.days import (
    MissingRange,
    ProductDay,
    declared_in_all,
    missing_ranges,
    product_days,
)
from ledger.selectors.figures import day_figures
from ledger.selectors.measures import Measure
from ledger.selectors.wet_stock import MeterLine, TankLine, WetStock, wet_stock_of_day

Subject = Explanation.Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that does not agree, exactly as it is: `stated` is what an explanation repeats.

    `count`, `volume` (litres) and `amount` are what it comes to, as far as they apply: declared or
    measured less ledger (`ledger.differences`); of a declaration that there is not, what the ledger
    has. `allowed` is how many litres a variance may be. `outdated` are explanations of what it was
    before. `close_reason` is why staff closed the day, where that says
    already why the site declared nothing.
    """

    subject: Explanation.Subject
    key: str
    stated: str
    count: int | None = None
    volume: Decimal | None = None
    amount: Decimal | None = None
    allowed: Decimal | None = None
    explanation: Explanation | None = None
    outdated: list[Explanation] = field(default_factory=list)
    close_reason: str = ""

    @property
    def is_explained(self) -> bool:
        """Whether somebody has said why it is as it is now."""
        return self.explanation is not None or bool(self.close_reason)

    @property
    def slug(self) -> str:
        """A name for addresses and ids: the subject and what it is of."""
        return f"{self.subject.value}-{self.key}".rstrip("-").replace("/", "-")

    @property
    def devices(self) -> list[str]:
        """The parts of the key: fuelling point and nozzle."""
        return self.key.split("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A fiscal day compared: turnover, sequences, meters and tanks, and all that differs.

    `earlier` is what corrections of earlier days posted to this one add to its turnover.
    """

    day: FiscalDay
    products: list[ProductDay]
    earlier: Measure
    missing: list[MissingRange]
    wet_stock: WetStock
    differences: list[Difference]

    @property
    def is_declared(self) -> bool:
        """Whether the site declared totals."""
        return self.declared is not None

    @property
    def effective(self) -> Measure:
        """All products' effective turnover of the day's own entries."""
        return sum((line.effective for line in self.products), Measure())

    @property
    def declared(self) -> Measure | None:
        """All products' declared turnover, None where the site declared none."""
        return declared_in_all(self.products)

    @property
    def difference(self) -> Measure | None:
        """Declared less effective, None without a declaration."""
        return less_ledger(self.declared, self.effective)

    @property
    def unexplained(self) -> list[Difference]:
        """The differences that nobody has explained as they are now."""
        return [one for one in self.differences if not one.is_explained]

    @property
    def is_missing_list_cut(self) -> bool:
        """Whether more is missing than `missing` lists."""
        return sum(part.last - part.first + 1 for part in self.missing) < self.day.missing_count

    @property
    def explained(self) -> list[Difference]:
        """The differences that are explained."""
        return [one for one in self.differences if one.is_explained]

    @property
    def is_ready(self) -> bool:
        """Whether the day is closed and nothing is left unexplained."""
        return self.day.closed_at is not None and not self.unexplained

    def find(self, slug: str) -> Difference | None:
        """Return the difference of this name, None when there is none (any more)."""
        return next((one for one in self.differences if one.slug == slug), None)


def reconciliation(day: FiscalDay) -> Reconciliation:
    """Compare a fiscal day. About a dozen queries; `day.site` should be there."""
    products = product_days(day, day_figures(day))
    stock = wet_stock_of_day(day)
    found = [
        *_of_day(day, products),
        *(one for line in products for one in _of_product(line)),
        *(one for line in stock.nozzles for one in _of_nozzle(line)),
        *(one for line in stock.tanks for one in _of_tank(line)),
    ]
    return Reconciliation(
        day=day,
        products=products,
        earlier=sum((line.earlier for line in products), Measure()),
        missing=missing_ranges(day),
        wet_stock=stock,
        differences=_explained(found, explanations_of(day), is_sealed=day.sealed_at is not None),
    )


def explanations_of(day: FiscalDay) -> list[Explanation]:
    """Return all explanations of a day, the newest first."""
    found = Explanation.objects.filter(**_of(day)).select_related("author")
    return list(found.order_by("-number"))


def _of(day: FiscalDay) -> dict[str, Any]:
    return {"site": day.site_id, "fiscal_day": day.fiscal_day}


def _of_day(day: FiscalDay, products: list[ProductDay]) -> Iterable[Difference]:
    if day.missing_count > 0:
        yield Difference(
            subject=Subject.MISSING,
            key="",
            # Entries never go, so these two numbers say which ones are missing.
            stated=f"{day.missing_count} of {day.expected_count}",
            count=day.missing_count,
        )
    if day.closed_at is not None and declared_in_all(products) is None:
        total = sum((line.effective for line in products), Measure())
        if total.count or total.amount:
            yield Difference(
                subject=Subject.DECLARATION,
                key="",
                stated=_stated(total),
                count=total.count,
                volume=total.volume,
                amount=total.amount,
                close_reason=day.close_reason if day.is_closed_by_hand else "",
            )


def _of_product(line: ProductDay) -> Iterable[Difference]:
    left = line.difference
    if left is not None and not line.agrees:
        yield Difference(
            subject=Subject.PRODUCT,
            key=line.product,
            stated=_stated(left),
            count=left.count,
            volume=left.volume,
            amount=left.amount,
        )


def _of_nozzle(line: MeterLine) -> Iterable[Difference]:
    if line.difference is not None and not line.agrees:
        yield Difference(
            subject=Subject.NOZZLE,
            key=f"{line.fuelling_point}/{line.nozzle}",
            stated=f"{line.difference:.3f}",
            volume=line.difference,
        )


def _of_tank(line: TankLine) -> Iterable[Difference]:
    if line.day is not None and line.exceeds_day:
        yield Difference(
            subject=Subject.TANK,
            key=str(line.tank),
            stated=f"{line.day.litres:.3f} of {line.day.throughput:.3f}",
            volume=line.day.litres,
            allowed=line.daily_allowance,
        )
    if line.day is not None and line.exceeds_month:
        yield Difference(
            subject=Subject.TANK_MONTH,
            key=str(line.tank),
            stated=f"{line.month.litres:.3f} of {line.month.throughput:.3f}",
            volume=line.month.litres,
            allowed=line.monthly_allowance,
        )


def _stated(measure: Measure) -> str:
    return f"{measure.count} {measure.volume:.3f} {measure.amount:.2f}"


def _explained(
    found: list[Difference], explanations: list[Explanation], *, is_sealed: bool
) -> list[Difference]:
    """Return the differences with the newest explanation that covers each."""
    explained = []
    for one in found:
        about = [
            each for each in explanations if (each.subject, each.key) == (one.subject, one.key)
        ]
        covering = [each for each in about if is_sealed or each.difference == one.stated]
        explained.append(
            replace(
                one,
                explanation=covering[0] if covering else None,
                outdated=[each for each in about if each not in covering],
            )
        )
    return explained
