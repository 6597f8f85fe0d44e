"""What reports say of fiscal days, in the plainest way: the tests compare all of them with it.

Written from what the figures mean and not from how they are read: a list of what counts, added up
anew for each question.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

SALE, REFUND, TEST, DRIVE_OFF = 1, 2, 3, 4
KINDS = {SALE: "sales", REFUND: "refunds", TEST: "tests", DRIVE_OFF: "drive_offs"}
PAYMENTS = {1: "cash", 2: "card", 3: "fuel_card", 4: "account", 5: "app", 6: "other"}
#: A meter was replaced where it counted less than nothing or more than a nozzle gives in a day.
DAY_LITRES_MAX = 200_000

#: Part, what it is about, and kind: as the lines of a CSV file have them.
Line = tuple[str, str, str]


class Figures(NamedTuple):
    """The figures of a line; a tax that nobody knows is None."""

    entries: int
    litres: Decimal
    gross: Decimal
    tax: Decimal | None
    net: Decimal | None
    gross_without_rate: Decimal | None

    @property
    def is_nothing(self) -> bool:
        return not (self.entries or self.litres or self.gross or self.tax)


@dataclass(frozen=True)
class Side:
    """What counts (1) or is taken back (-1) by what an entry states, on the day it is posted to."""

    day: datetime.date
    posted_to: datetime.date
    values: dict[str, Any]
    times: int = 1
    is_correction: bool = False

    @property
    def is_turnover(self) -> bool:
        return self.values["kind"] in (SALE, REFUND)

    @property
    def litres(self) -> Decimal:
        return self.times * (self.values["volume"] or Decimal(0))

    @property
    def nozzle(self) -> tuple[int | None, int | None]:
        return self.values["fuelling_point"], self.values["nozzle"]


@dataclass
class Day:
    """What was read and declared of a day beside its entries."""

    meters: dict[tuple[int, int], tuple[str, Decimal | None, Decimal | None]]
    dips: dict[int, tuple[str, Decimal | None, Decimal | None]]
    declared: dict[str, tuple[int, Decimal, Decimal]]


@dataclass
class Books:
    """A site's days and all that counts in them, in the order in which it came."""

    code: str
    timezone: str
    draws: dict[tuple[int, int], int]
    holds: dict[int, str]
    days: dict[datetime.date, Day] = field(default_factory=dict)
    sides: list[Side] = field(default_factory=list)
    #: Sealed days in the order of their seals.
    sealed: list[datetime.date] = field(default_factory=list)

    def posted(self, day: datetime.date) -> list[Side]:
        return [side for side in self.sides if side.posted_to == day]

    def turnover(self, day: datetime.date) -> Figures:
        return added(side for side in self.posted(day) if side.is_turnover)

    def hour(self, side: Side) -> int:
        return int(side.values["occurred_at"].astimezone(ZoneInfo(self.timezone)).hour)

    def perpetual_total(self, day: datetime.date) -> Decimal:
        """The turnover of all days sealed before it, and its own."""
        before = self.sealed[: self.sealed.index(day)] if day in self.sealed else self.sealed
        return sum((self.turnover(each).gross for each in [*before, day]), Decimal(0))

    def recorded(self, day: datetime.date, nozzle: tuple[int, int]) -> Decimal:
        """Litres that entries of the day sent through a nozzle's meter."""
        return sum((side.litres for side in self.flowed(day) if side.nozzle == nozzle), Decimal(0))

    def flowed(self, day: datetime.date) -> list[Side]:
        """What ran through meters on the day: a refund gives money back and no fuel."""
        own = [side for side in self.posted(day) if side.day == day]
        return [side for side in own if side.values["kind"] != REFUND]

    def meter_difference(self, day: datetime.date, nozzle: tuple[int, int]) -> Decimal | None:
        _product, opening, closing = self.days[day].meters[nozzle]
        if opening is None or closing is None:
            return None
        return closing - opening - self.recorded(day, nozzle)

    def tank(self, day: datetime.date, tank: int) -> tuple[Decimal, Decimal]:
        """Litres that left a tank through nozzles, and those of tests, which went back."""
        meters = {
            nozzle: closing - opening
            for nozzle, (_product, opening, closing) in self.days[day].meters.items()
            if opening is not None
            and closing is not None
            and 0 <= closing - opening <= DAY_LITRES_MAX
        }
        own = [side for side in self.flowed(day) if self.tank_of(side) == tank]
        nozzles = [nozzle for nozzle, drawn in self.draws.items() if drawn == tank]
        gave = sum((meters[nozzle] for nozzle in nozzles if nozzle in meters), Decimal(0))
        for side in own:
            if None in side.nozzle:
                gave += Decimal(0) if all(one in meters for one in nozzles) else side.litres
            elif side.nozzle not in meters:
                gave += side.litres
        tests = sum((side.litres for side in own if side.values["kind"] == TEST), Decimal(0))
        return gave, tests

    def tank_of(self, side: Side) -> int | None:
        if side.nozzle in self.draws:
            return self.draws[side.nozzle]  # type: ignore[index]
        holding = [tank for tank, holds in self.holds.items() if holds == side.values["product"]]
        return holding[0] if len(holding) == 1 else None

    def lines(self, day: datetime.date) -> dict[Line, Figures]:
        """Every line of the day's report that says anything."""
        posted = self.posted(day)
        turnover = [side for side in posted if side.is_turnover]
        moved = [side for side in posted if side.is_correction]
        through = [side for side in posted if side.values["nozzle"] is not None]
        found: dict[Line, Figures] = {}
        for part, sides, about, taxed in (
            ("total", posted, lambda side: "", True),
            ("moved by corrections", moved, lambda side: "", True),
            ("product", posted, lambda side: side.values["product"], True),
            ("site", posted, lambda side: self.code, True),
            ("payment", posted, lambda side: payment_name(side.values["payment"]), False),
            ("nozzle", through, nozzle_name, False),
        ):
            for kind, name in KINDS.items():
                of_kind = [side for side in sides if side.values["kind"] == kind]
                for key, figures in grouped(of_kind, about, taxed=taxed).items():
                    found[part, key, name] = figures
        for part, about, taxed in (
            ("tax rate", lambda side: rate_name(side.values["tax_rate"]), True),
            ("hour", lambda side: str(self.hour(side)), False),
            ("day or month", lambda side: str(day), True),
        ):
            for key, figures in grouped(turnover, about, taxed=taxed).items():
                found[part, key, "turnover"] = figures
        return {line: plainly(one) for line, one in found.items() if not one.is_nothing}


def tax_of(amount: Decimal, rate: Decimal) -> Decimal:
    return (amount * rate / (100 + rate)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def added(sides: Iterable[Side], *, taxed: bool = True) -> Figures:
    """Add up; net, tax and what states no rate make up the gross amount."""
    sides = list(sides)
    rated = [side for side in sides if side.values["tax_rate"] is not None]
    gross = sum((side.times * side.values["amount"] for side in sides), Decimal(0))
    of_rated = sum((side.times * side.values["amount"] for side in rated), Decimal(0))
    tax: Decimal | None = sum(
        (side.times * tax_of(side.values["amount"], side.values["tax_rate"]) for side in rated),
        Decimal(0),
    )
    count = sum(side.times for side in sides)
    rated_count = sum(side.times for side in rated)
    has_unrated = (count, gross) != (rated_count, of_rated)
    if not taxed or (has_unrated and not (rated_count or of_rated or tax)):
        tax = None
    return Figures(
        count,
        sum((side.litres for side in sides), Decimal(0)),
        gross,
        tax,
        None if tax is None else of_rated - tax,
        None if tax is None else gross - of_rated,
    )


def plainly(figures: Figures) -> Figures:
    """Where no entry and no money is left, nobody asks whether its tax is known."""
    if figures.entries or figures.gross or figures.tax or figures.gross_without_rate:
        return figures
    return figures._replace(tax=None, net=None, gross_without_rate=None)


def grouped(
    sides: Iterable[Side], about: Callable[[Side], str], *, taxed: bool
) -> dict[str, Figures]:
    groups: defaultdict[str, list[Side]] = defaultdict(list)
    for side in sides:
        groups[about(side)].append(side)
    return {key: added(group, taxed=taxed) for key, group in groups.items()}


def payment_name(payment: int | None) -> str:
    return "not_stated" if payment is None else PAYMENTS[payment]


def rate_name(rate: Decimal | None) -> str:
    return "not stated" if rate is None else f"{rate:.2f}"


def nozzle_name(side: Side) -> str:
    point, nozzle = side.nozzle
    return f"{'' if point is None else point}/{nozzle} {side.values['product']}"
