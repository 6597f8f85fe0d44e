"""What a simulated forecourt remembers, in a shape that can be written down and read again.

Everything is whole numbers: times are milliseconds since 1970, volumes millilitres, money
hundredths, prices ten-thousandths. So sums are exact and no binary float touches them.
"""

from __future__ import annotations

import datetime
from decimal import Decimal

from msgspec import Struct

from ingest.contract import KindName, PaymentName, PumpStateName

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY_MS = 24 * HOUR


class Step(Struct):
    """A fuelling point stays in a state until a time. `from_ml` is on the display as it begins."""

    state: PumpStateName
    until: int
    from_ml: int = 0


class Fuelling(Struct):
    """What a customer is about to take; decided as they arrive, metered when they are done."""

    kind: KindName
    nozzle: int
    ml: int
    ml_per_second: int
    payment: PaymentName | None
    pays_for_ms: int
    shop_product: str | None = None
    shop_cents: int = 0
    offline: bool = False


class Point(Struct):
    """A fuelling point. `totalizers` are its nozzles' meters, `transaction` its own counter."""

    totalizers: dict[int, int]
    transaction: int
    steps: list[Step] = []
    step_began: int = 0
    fuelling: Fuelling | None = None
    free_at: int = 0


class TankLevel(Struct):
    """A tank's content, the delivery that is ordered, and whether its low alarm is on."""

    ml: int
    delivery_at: int | None = None
    deliveries: int = 0
    is_low: bool = False


class Total(Struct):
    """The turnover of one product on the open day."""

    count: int = 0
    ml: int = 0
    cents: int = 0


class Day(Struct):
    """The open fiscal day."""

    fiscal_day: datetime.date
    cut_over_at: int
    sequence: int = 0
    totals: dict[str, Total] = {}


class Trouble(Struct):
    """When something goes wrong next (None: never), and how often it did."""

    next_at: int | None = None
    count: int = 0


class ForecourtState(Struct):
    """All of it."""

    now: int
    day: Day
    points: dict[int, Point]
    tanks: dict[int, TankLevel]
    next_visit_at: int
    visits: int = 0
    troubles: dict[str, Trouble] = {}
    link_down_until: int | None = None
    pace: float = 1.0


def litres(ml: int) -> Decimal:
    """Millilitres as the contract writes litres."""
    return Decimal(ml).scaleb(-3)


def money(cents: int) -> Decimal:
    """Hundredths as the contract writes amounts."""
    return Decimal(cents).scaleb(-2)


def price(ten_thousandths: int) -> Decimal:
    """Ten-thousandths as the contract writes unit prices."""
    return Decimal(ten_thousandths).scaleb(-4)


def cents_of(ml: int, ten_thousandths: int) -> int:
    """What a volume costs, rounded half up to the cent."""
    return (ml * ten_thousandths + 50_000) // 100_000


def ml_for(cents: int, ten_thousandths: int) -> int:
    """The volume that costs an amount, to the nearest millilitre."""
    return (cents * 100_000 + ten_thousandths // 2) // ten_thousandths
