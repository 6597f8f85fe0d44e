"""What stands on a forecourt and what it is doing now: fuelling points, tanks, alarms."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from ledger.models import (
    Alarm,
    AlarmEvent,
    FuellingPoint,
    Nozzle,
    NozzleState,
    PumpState,
    Site,
    Tank,
    TankState,
)

DELIVERING = frozenset(
    {
        PumpState.State.STARTED,
        PumpState.State.SUSPENDED_STARTED,
        PumpState.State.FUELLING,
        PumpState.State.SUSPENDED_FUELLING,
    }
)
#: A page names this many alarms of a site.
ALARMS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FuellingPointView:
    """A fuelling point: its newest state (None: never heard), last sale, and its products."""

    number: int
    bay: int
    state: PumpState | None = None
    last_sale: NozzleState | None = None
    products: list[str] = field(default_factory=list)

    @property
    def is_delivering(self) -> bool:
        """Whether a sale runs here now, so that volume and amount are those of the state."""
        return self.state is not None and self.state.state in DELIVERING


@dataclass(frozen=True, slots=True, kw_only=True)
class Bay:
    """Fuelling points that stand together."""

    number: int
    fuelling_points: list[FuellingPointView]


def bays(site: Site) -> list[Bay]:
    """Return the fuelling points by bay. Four queries.

    A point that reports a state but is not registered stands in bay 0, after the others.
    """
    states = {state.fuelling_point: state for state in PumpState.objects.filter(site=site)}
    sales: dict[int, NozzleState] = {}
    for sale in NozzleState.objects.filter(site=site).order_by("fiscal_day", "sequence"):
        sales[sale.fuelling_point] = sale
    products: dict[int, list[str]] = {}
    for nozzle in Nozzle.objects.filter(site=site).order_by("pk"):
        named = products.setdefault(nozzle.fuelling_point, [])
        if nozzle.product not in named:
            named.append(nozzle.product)
    known = {
        point.number: point.bay for point in FuellingPoint.objects.filter(site=site).order_by("pk")
    }
    points = [
        FuellingPointView(
            number=number,
            bay=known.get(number, 0),
            state=states.get(number),
            last_sale=sales.get(number),
            products=products.get(number, []),
        )
        for number in sorted(known.keys() | states.keys())
    ]
    points.sort(key=lambda point: (point.bay == 0, point.bay, point.number))
    return [
        Bay(number=number, fuelling_points=list(group))
        for number, group in groupby(points, key=lambda point: point.bay)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TankView:
    """A tank with its newest reading; litres, None where nothing is known."""

    number: int
    product: str
    capacity: Decimal | None = None
    low_mark: Decimal | None = None
    high_mark: Decimal | None = None
    volume: Decimal | None = None
    ullage: Decimal | None = None
    water: Decimal | None = None
    temperature: Decimal | None = None
    at: datetime.datetime | None = None
    status: str = ""
    alarms: list[str] = field(default_factory=list)

    @property
    def is_low(self) -> bool:
        """Whether the product stands at or below the low mark."""
        if self.volume is None or self.low_mark is None:
            return False
        return self.volume <= self.low_mark

    @property
    def is_high(self) -> bool:
        """Whether the product stands at or above the high mark."""
        if self.volume is None or self.high_mark is None:
            return False
        return self.volume >= self.high_mark

    @property
    def other_alarms(self) -> list[str]:
        """What the gauge reports beyond what `is_low` and `is_high` say already."""
        known = {"low_product"} if self.is_low else {"high_product"} if self.is_high else set()
        return [alarm for alarm in self.alarms if alarm not in known]


def tanks(site: Site) -> list[TankView]:
    """Return the site's tanks by number, also those that report but are not registered."""
    known = {tank.number: tank for tank in Tank.objects.filter(site=site)}
    states = {state.tank: state for state in TankState.objects.filter(site=site)}
    return [
        _tank_view(number, known.get(number), states.get(number))
        for number in sorted(known.keys() | states.keys())
    ]


def _tank_view(number: int, tank: Tank | None, state: TankState | None) -> TankView:
    capacity = tank.capacity if tank else None
    if state is None:
        return TankView(
            number=number,
            product=tank.product if tank else "",
            capacity=capacity,
            low_mark=tank.low_mark if tank else None,
            high_mark=tank.high_mark if tank else None,
        )
    capacity = capacity or state.capacity
    ullage = state.ullage
    if ullage is None and capacity is not None and state.volume is not None:
        ullage = capacity - state.volume
    return TankView(
        number=number,
        product=state.product or (tank.product if tank else ""),
        capacity=capacity,
        low_mark=tank.low_mark if tank else None,
        high_mark=tank.high_mark if tank else None,
        volume=state.volume,
        ullage=ullage,
        water=state.water,
        temperature=state.temperature,
        at=state.at,
        status=state.status or "",
        alarms=[str(alarm) for alarm in state.alarms or []],
    )


def alarms(site: Site, *, limit: int = ALARMS_MAX) -> list[Alarm]:
    """Return the site's alarms: those that are on, then the newest of the others."""
    on = Alarm.objects.filter(site=site, state=AlarmEvent.State.STARTED).order_by("-at")[:limit]
    off = Alarm.objects.filter(site=site).exclude(state=AlarmEvent.State.STARTED).order_by("-at")
    active = list(on)
    return active + list(off[: limit - len(active)])
