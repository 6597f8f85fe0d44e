"""One forecourt as a state machine: told the time, it says what happened since.

No clock, no network, no disk. All that happens follows from the site, the seed and the times it
is told, and it does not matter in how many steps it is told them. Live messages (running volumes,
gauges) are mere views of the state: asking for them changes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from ingest import contract
from ingest.contract import Alarm, DayClosed, DayOpened, Delivery, LedgerEntry, Pump, TankGauge
from ingest.simulator.customers import SHOP_ONLY_SHARE, Customers, chance_of
from ingest.simulator.state import (
    DAY_MS,
    HOUR,
    MINUTE,
    SECOND,
    Day,
    ForecourtState,
    Fuelling,
    Point,
    Step,
    TankLevel,
    Total,
    Trouble,
    cents_of,
    litres,
    money,
    price,
)
from ingest.topics import ALARMS, DAY, DELIVERIES, LEDGER, PUMPS, TANKS
from ledger.demo_sites import DemoSite
from ledger.specs import TankSpec

#: A fuelling point reports its running volume this often, a tank gauge its level.
PROGRESS_MS = SECOND
GAUGE_MS = 30 * SECOND

#: One entry in so many is never sent, so that there is a gap to heal; a resend brings it.
LOST_ENTRY_SHARE = 1 / 600
OUTAGES_PER_DAY = 0.4
POINT_FAULTS_PER_DAY = 0.5
STAND_ALONE_PER_DAY = 1.0
OUTAGE = (4 * MINUTE, 15 * MINUTE)
POINT_FAULT = (10 * MINUTE, 45 * MINUTE)
STAND_ALONE = (5 * MINUTE, 15 * MINUTE)
#: However fast the pace, trouble lasts long enough to be seen.
TROUBLE_MS_MIN = 20 * SECOND

#: A tank sells no more below this, and is ordered for below that share of its capacity.
DEAD_STOCK_ML = 500_000
REORDER_SHARE = 0.24
DELIVERY_LEAD = (2 * HOUR, 9 * HOUR)
DELIVERY_STEP_ML = 500_000
#: A low alarm ends this far above the mark, so that it does not flutter.
LOW_HYSTERESIS = Decimal("1.05")
#: Meters give a little more or less than they show, up to this many millionths.
METER_DRIFT_PPM = 1_500

#: Contraction from pump conditions to 15 degrees, in millionths for each degree.
EXPANSION_PPM = {"petrol": 1_200, "petrol_premium": 1_200, "lpg": 2_800, "adblue": 400}
EXPANSION_PPM_DEFAULT = 830

_CUT_OVER, _DELIVERY, _TROUBLE, _LINK_UP, _STEP, _VISIT = range(6)
_TROUBLES = ("outage", "point_fault", "stand_alone")
_TURNOVER_KINDS = ("sale", "refund")
_RUNNING = ("fuelling", "suspended_fuelling")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How often things go wrong: a share of entries, and times a day."""

    lost_share: float = LOST_ENTRY_SHARE
    outages_per_day: float = OUTAGES_PER_DAY
    point_faults_per_day: float = POINT_FAULTS_PER_DAY
    stand_alone_per_day: float = STAND_ALONE_PER_DAY

    def rate(self, trouble: str) -> float:
        """How many times a day a trouble comes."""
        return {
            "outage": self.outages_per_day,
            "point_fault": self.point_faults_per_day,
            "stand_alone": self.stand_alone_per_day,
        }[trouble]


WITH_FAULTS = Behaviour()
#: Stand-alone sales stay: they are no fault of the site's, and nothing is missing after them.
WITHOUT_FAULTS = Behaviour(lost_share=0, outages_per_day=0, point_faults_per_day=0)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to publish. `device` numbers a fuelling point or tank of a live lane.

    A `lost` entry happened like any other, but is sent only when somebody asks for it again.
    """

    lane: str
    message: msgspec.Struct
    device: int | None = None
    lost: bool = False


class Forecourt:
    """A site that lives. `state` is all that it remembers."""

    def __init__(
        self,
        site: DemoSite,
        *,
        seed: int,
        state: ForecourtState,
        behaviour: Behaviour = WITH_FAULTS,
    ) -> None:
        spec = site.spec
        self.site = site
        self.state = state
        self._seed = seed
        self._behaviour = behaviour
        self._zone = ZoneInfo(spec.timezone)
        self._products = {product.code: product for product in spec.products or ()}
        self._prices = {
            code: int(product.unit_price * 10_000)
            for code, product in self._products.items()
            if product.unit_price is not None
        }
        self._nozzles = {
            (nozzle.fuelling_point, nozzle.number): nozzle for nozzle in spec.nozzles or ()
        }
        self._tanks = {tank.number: tank for tank in spec.tanks or ()}
        self._drift_ppm = {
            key: chance_of(seed, spec.code, "drift", f"{key}").randint(
                -METER_DRIFT_PPM, METER_DRIFT_PPM
            )
            for key in self._nozzles
        }
        self._customers = Customers(site, self._prices)
        self._out: list[Happening] = []
        self._is_live = False
        self._progress_at = self._gauges_at = state.now
        for name in _TROUBLES:
            trouble = state.troubles.setdefault(name, Trouble())
            if not behaviour.rate(name):
                trouble.next_at = None
            elif trouble.next_at is None:
                self._schedule(name, state.now)

    @classmethod
    def fresh(
        cls,
        site: DemoSite,
        *,
        seed: int,
        fiscal_day: datetime.date,
        behaviour: Behaviour = WITH_FAULTS,
    ) -> tuple[Forecourt, list[Happening]]:
        """Return a forecourt whose first fiscal day has just been opened, and what that says."""
        code = site.spec.code
        opened_at = cut_over_ms(site, fiscal_day)
        state = ForecourtState(
            now=opened_at,
            day=Day(fiscal_day, cut_over_ms(site, fiscal_day + datetime.timedelta(days=1))),
            points={
                point.number: Point(
                    totalizers={
                        nozzle.number: chance_of(
                            seed, code, "totalizer", f"{point.number}/{nozzle.number}"
                        ).randint(50_000_000, 4_000_000_000)
                        for nozzle in site.spec.nozzles or ()
                        if nozzle.fuelling_point == point.number
                    },
                    transaction=chance_of(seed, code, "transaction", point.number).randint(
                        0, 65_535
                    ),
                )
                for point in site.spec.fuelling_points or ()
            },
            tanks={
                tank.number: TankLevel(
                    ml=int(tank.capacity)
                    * chance_of(seed, code, "level", tank.number).randint(350, 850)
                )
                for tank in site.spec.tanks or ()
            },
            next_visit_at=opened_at,
        )
        forecourt = cls(site, seed=seed, state=state, behaviour=behaviour)
        forecourt._open_day(opened_at)
        return forecourt, forecourt._take()

    @property
    def link_is_up(self) -> bool:
        """Whether the site can reach the console; while it cannot, it keeps what it would send."""
        return self.state.link_down_until is None

    @property
    def next_at(self) -> int:
        """When the next thing happens or is due to be shown, if nobody disturbs."""
        due = min(self._next()[0], self._gauges_at)
        return min(due, self._progress_at) if self._is_running() else due

    def advance(self, now: int, *, pace: float = 1.0, live: bool = False) -> list[Happening]:
        """Live until `now` and return what happened, oldest first.

        At a `pace` of 2 twice as many customers come, and all they do takes half as long. Live
        lanes are only told when `live`, and only while the link is up.
        """
        if pace != self.state.pace:
            self._change_pace(pace)
        self._is_live = live
        while (due := self._next())[0] <= now:
            at, what, number = due
            self.state.now = at
            self._happen(what, number, at)
        self.state.now = max(self.state.now, now)
        if live:
            self._show_running(now)
        return self._take()

    def rest_until(self, at: int) -> list[Happening]:
        """Skip a time in which the forecourt was shut: nothing was sold, and the day was closed.

        Whoever was fuelling as it began is forgotten, unmetered.
        """
        state = self.state
        for number, point in state.points.items():
            if point.steps and point.steps[0].state == "inoperative":
                self._point_alarm(number, "finished", at)
            point.steps, point.fuelling, point.free_at = [], None, at
        if at >= state.day.cut_over_at:
            self._close_day(state.day.cut_over_at)
            fiscal_day = fiscal_day_at(self.site, at)
            tomorrow = fiscal_day + datetime.timedelta(days=1)
            state.day = Day(fiscal_day, cut_over_ms(self.site, tomorrow))
            self._open_day(at)
        for tank in state.tanks.values():
            tank.delivery_at = tank.delivery_at and max(tank.delivery_at, at)
        for name, trouble in state.troubles.items():
            if trouble.next_at is not None:
                self._schedule(name, at)
        state.now = state.next_visit_at = at
        state.link_down_until = None
        return self._take()

    def snapshot(self) -> list[Happening]:
        """Return the state of every fuelling point and tank, for whoever has seen nothing yet."""
        for number in self.state.points:
            self._tell_point(number, self.state.now)
        for number in self.state.tanks:
            self._tell_tank(number, self.state.now)
        return self._take()

    def _change_pace(self, pace: float) -> None:
        """Draw anew what was drawn at another pace; whoever is fuelling finishes as they began."""
        state = self.state
        state.pace = pace
        chance = self._chance("pace", f"{state.visits}/{pace}")
        state.next_visit_at = self._customers.next_arrival(state.now, chance, pace)
        for name, trouble in state.troubles.items():
            if trouble.next_at is not None:
                self._schedule(name, state.now)

    # --- What happens next ---------------------------------------------------------------------

    def _next(self) -> tuple[int, int, int]:
        return min(self._due())

    def _due(self) -> Iterator[tuple[int, int, int]]:
        """Yield when what happens to whom; on a tie the day changes first."""
        state = self.state
        yield state.day.cut_over_at, _CUT_OVER, 0
        yield state.next_visit_at, _VISIT, 0
        for number, point in state.points.items():
            if point.steps:
                yield point.steps[0].until, _STEP, number
        for number, tank in state.tanks.items():
            if tank.delivery_at is not None:
                yield tank.delivery_at, _DELIVERY, number
        for number, name in enumerate(_TROUBLES):
            next_at = state.troubles[name].next_at
            if next_at is not None:
                yield next_at, _TROUBLE, number
        if state.link_down_until is not None:
            yield state.link_down_until, _LINK_UP, 0

    def _happen(self, what: int, number: int, at: int) -> None:
        if what == _CUT_OVER:
            self._cut_over(at)
        elif what == _VISIT:
            self._visit(at)
        elif what == _STEP:
            self._end_step(number, at)
        elif what == _DELIVERY:
            self._deliver(number, at)
        elif what == _TROUBLE:
            self._trouble(_TROUBLES[number], at)
        else:
            self.state.link_down_until = None

    def _take(self) -> list[Happening]:
        out, self._out = self._out, []
        return out

    def _chance(self, what: str, number: int | str) -> Any:
        return chance_of(self._seed, self.site.spec.code, what, number)

    # --- Days ----------------------------------------------------------------------------------

    def _cut_over(self, at: int) -> None:
        """Close the day and open the next, to which a fuelling in progress belongs."""
        self._close_day(at)
        tomorrow = self.state.day.fiscal_day + datetime.timedelta(days=1)
        after = cut_over_ms(self.site, tomorrow + datetime.timedelta(days=1))
        self.state.day = Day(tomorrow, after)
        self._open_day(at)

    def _open_day(self, at: int) -> None:
        message = DayOpened(
            fiscal_day=self.state.day.fiscal_day,
            at=self._time(at),
            totalizers=self._totalizers(),
            dips=self._dips(),
        )
        self._out.append(Happening(DAY, message))

    def _close_day(self, at: int) -> None:
        day = self.state.day
        message = DayClosed(
            fiscal_day=day.fiscal_day,
            at=self._time(at),
            last_sequence=day.sequence,
            totals=[
                contract.DeclaredTotal(
                    product=product,
                    count=total.count,
                    volume=litres(total.ml),
                    amount=money(total.cents),
                )
                for product, total in sorted(day.totals.items())
            ],
            totalizers=self._totalizers(),
            dips=self._dips(),
        )
        self._out.append(Happening(DAY, message))

    def _totalizers(self) -> list[contract.TotalizerReading]:
        """Read the meters; a fuelling in progress counts when it ends, as its entry does."""
        return [
            contract.TotalizerReading(
                fuelling_point=point,
                nozzle=number,
                product=nozzle.product,
                volume=litres(self.state.points[point].totalizers[number]),
            )
            for (point, number), nozzle in sorted(self._nozzles.items())
        ]

    def _dips(self) -> list[contract.DipReading]:
        return [
            contract.DipReading(
                tank=number,
                product=self._tanks[number].product,
                volume=litres(tank.ml),
                water=Decimal("0.000"),
                temperature=self._temperature(number),
            )
            for number, tank in sorted(self.state.tanks.items())
        ]

    # --- Customers -----------------------------------------------------------------------------

    def _visit(self, at: int) -> None:
        chance = self._chance("visit", self.state.visits)
        self.state.visits += 1
        self.state.next_visit_at = self._customers.next_arrival(at, chance, self.state.pace)
        if chance.random() < SHOP_ONLY_SHARE:
            visit = self._customers.shop_visit(chance)
            self._write(at, visit.kind, visit.product, visit.cents, payment=visit.payment)
            return
        demand = self._customers.fuel(chance)
        free = [
            key
            for key, nozzle in self._nozzles.items()
            if nozzle.product == demand.product and self._is_free(key[0], at)
        ]
        if not free:
            return  # every fuelling point is taken: the customer drives on
        number, nozzle_number = chance.choice(free)
        fuelling = self._customers.fuelling(demand, nozzle_number, chance, self.state.pace)
        if not self._is_in_stock(number, fuelling):
            return  # sold out until the delivery
        steps = self._customers.steps(at, fuelling, chance, self.state.pace)
        self._begin(number, at, steps, fuelling)

    def _is_free(self, number: int, at: int) -> bool:
        point = self.state.points[number]
        return not point.steps and point.free_at <= at

    def _is_in_stock(self, number: int, fuelling: Fuelling) -> bool:
        """Whether a tank has what is asked for, beside what others are already taking."""
        tank_number = self._nozzles[number, fuelling.nozzle].tank
        if tank_number is None:
            return False
        taken_ml = sum(
            point.fuelling.ml
            for other, point in self.state.points.items()
            if point.fuelling is not None
            and self._nozzles[other, point.fuelling.nozzle].tank == tank_number
        )
        return self.state.tanks[tank_number].ml - taken_ml - fuelling.ml >= DEAD_STOCK_ML

    def _begin(self, number: int, at: int, steps: list[Step], fuelling: Fuelling | None) -> None:
        point = self.state.points[number]
        point.steps, point.step_began, point.fuelling = steps, at, fuelling
        self._tell_point(number, at)

    def _end_step(self, number: int, at: int) -> None:
        point = self.state.points[number]
        ended = point.steps.pop(0)
        began, point.step_began = point.step_began, at
        if point.steps:
            self._tell_point(number, at)
            return
        if ended.state == "inoperative":
            self._point_alarm(number, "finished", at)
        fuelling, point.fuelling = point.fuelling, None
        if fuelling is not None:
            point.free_at = at + fuelling.pays_for_ms
            # A stand-alone sale was made on the way, and is told now that the pump is back.
            self._meter(number, fuelling, (began + at) // 2 if fuelling.offline else at)
        self._tell_point(number, at, fuelling)

    def _meter(self, number: int, fuelling: Fuelling, at: int) -> None:
        """Move the meter and the tank, and write the entry."""
        key = (number, fuelling.nozzle)
        nozzle = self._nozzles[key]
        point = self.state.points[number]
        point.totalizers[fuelling.nozzle] += fuelling.ml
        point.transaction = (point.transaction + 1) % 65_536
        if nozzle.tank is not None and fuelling.kind != "test":
            drift_ml = fuelling.ml * self._drift_ppm[key] // 1_000_000
            self.state.tanks[nozzle.tank].ml -= fuelling.ml + drift_ml
        unit_price = self._prices[nozzle.product]
        self._write(
            at,
            fuelling.kind,
            nozzle.product,
            cents_of(fuelling.ml, unit_price),
            ml=fuelling.ml,
            unit_price=price(unit_price),
            volume_15c=self._volume_15c(fuelling.ml, nozzle.product, nozzle.tank),
            fuelling_point=number,
            nozzle=fuelling.nozzle,
            tank=nozzle.tank,
            payment=fuelling.payment,
            device_transaction=point.transaction,
            totalizer=litres(point.totalizers[fuelling.nozzle]),
            offline=fuelling.offline,
        )
        if fuelling.shop_product is not None:
            self._write(
                at, "sale", fuelling.shop_product, fuelling.shop_cents, payment=fuelling.payment
            )
        if nozzle.tank is not None:
            self._watch_tank(nozzle.tank, self.state.now)

    def _write(
        self,
        at: int,
        kind: contract.KindName,
        product: str,
        cents: int,
        *,
        ml: int | None = None,
        **fields: Any,
    ) -> None:
        """Number an entry, count it into the day's totals, and say it."""
        day = self.state.day
        day.sequence += 1
        if kind in _TURNOVER_KINDS:
            total = day.totals.setdefault(product, Total())
            total.count += 1
            total.ml += ml or 0
            total.cents += cents
        entry = LedgerEntry(
            fiscal_day=day.fiscal_day,
            sequence=day.sequence,
            kind=kind,
            occurred_at=self._time(at),
            product=product,
            amount=money(cents),
            volume=None if ml is None else litres(ml),
            tax_rate=self.site.tax_rate,
            **fields,
        )
        self._out.append(Happening(LEDGER, entry, lost=self._is_lost()))

    def _is_lost(self) -> bool:
        share = self._behaviour.lost_share
        if not share:
            return False
        day = self.state.day
        return bool(self._chance("lost", f"{day.fiscal_day}/{day.sequence}").random() < share)

    # --- Tanks ---------------------------------------------------------------------------------

    def _watch_tank(self, number: int, at: int) -> None:
        """Order a delivery when a tank runs low, and raise or end its alarm."""
        tank, spec = self.state.tanks[number], self._tanks[number]
        if tank.delivery_at is None and tank.ml < int(spec.capacity * 1_000) * REORDER_SHARE:
            lead = self._chance("lead", f"{number}/{tank.deliveries}").randint(*DELIVERY_LEAD)
            tank.delivery_at = at + round(lead / self.state.pace)
        mark_ml = int((spec.low_mark or 0) * 1_000)
        if not tank.is_low and tank.ml < mark_ml:
            tank.is_low = True
            self._tank_alarm(number, spec, "started", at)
        elif tank.is_low and tank.ml > mark_ml * LOW_HYSTERESIS:
            tank.is_low = False
            self._tank_alarm(number, spec, "finished", at)

    def _tank_alarm(
        self, number: int, spec: TankSpec, state: Literal["started", "finished"], at: int
    ) -> None:
        held = litres(self.state.tanks[number].ml)
        alarm = Alarm(
            at=self._time(at),
            device="tank",
            number=number,
            code="low_product",
            state=state,
            severity="warning",
            text=f"Tank {number} ({spec.product}) holds {held:.0f} litres",
        )
        self._out.append(Happening(ALARMS, alarm))

    def _deliver(self, number: int, at: int) -> None:
        """Fill a tank up to its high mark, by whole compartments of the tanker."""
        tank, spec = self.state.tanks[number], self._tanks[number]
        room_ml = int((spec.high_mark or spec.capacity) * 1_000) - tank.ml
        ml = room_ml // DELIVERY_STEP_ML * DELIVERY_STEP_ML
        tank.delivery_at = None
        if ml <= 0:
            return
        tank.deliveries += 1
        tank.ml += ml
        delivery = Delivery(
            at=self._time(at),
            tank=number,
            product=spec.product,
            volume=litres(ml),
            volume_15c=self._volume_15c(ml, spec.product, number),
            document=f"{self.site.spec.code}-{number}-{tank.deliveries:05d}",
        )
        self._out.append(Happening(DELIVERIES, delivery))
        self._watch_tank(number, at)

    def _temperature_tenths(self, tank_number: int) -> int:
        """The tank's temperature: underground it hardly changes from one day to the next."""
        return 100 + (self.state.day.fiscal_day.toordinal() * 7 + tank_number * 11) % 24

    def _temperature(self, tank_number: int) -> Decimal:
        return Decimal(self._temperature_tenths(tank_number)).scaleb(-1)

    def _volume_15c(self, ml: int, product: str, tank_number: int | None) -> Decimal | None:
        if not self.site.reports_15c or tank_number is None:
            return None
        family = self._products[product].family
        expansion_ppm = EXPANSION_PPM.get(family, EXPANSION_PPM_DEFAULT)
        tenths = self._temperature_tenths(tank_number) - 150
        return litres(ml - ml * expansion_ppm * tenths // 10_000_000)

    # --- Trouble -------------------------------------------------------------------------------

    def _schedule(self, name: str, after: int) -> None:
        trouble = self.state.troubles[name]
        gap = self._chance(name, trouble.count).expovariate(self._behaviour.rate(name) / DAY_MS)
        trouble.next_at = after + max(1, round(gap / self.state.pace))

    def _trouble(self, name: str, at: int) -> None:
        trouble = self.state.troubles[name]
        trouble.count += 1
        chance = self._chance(f"{name} begins", trouble.count)
        if name == "outage":
            self.state.link_down_until = at + self._lasting(OUTAGE, chance)
        else:
            free = [number for number in self.state.points if self._is_free(number, at)]
            if free and name == "point_fault":
                self._fail_point(chance.choice(free), at, self._lasting(POINT_FAULT, chance))
            elif free:
                self._stand_alone(chance.choice(free), at, chance)
        self._schedule(name, at)

    def _lasting(self, bounds: tuple[int, int], chance: Any) -> int:
        return max(TROUBLE_MS_MIN, round(chance.randint(*bounds) / self.state.pace))

    def _fail_point(self, number: int, at: int, duration_ms: int) -> None:
        self._point_alarm(number, "started", at)
        self._begin(number, at, [Step("inoperative", at + duration_ms)], None)

    def _point_alarm(self, number: int, state: Literal["started", "finished"], at: int) -> None:
        alarm = Alarm(
            at=self._time(at),
            device="fuelling_point",
            number=number,
            code="inoperative",
            state=state,
            severity="critical",
            text=f"Fuelling point {number} does not answer the controller",
        )
        self._out.append(Happening(ALARMS, alarm))

    def _stand_alone(self, number: int, at: int, chance: Any) -> None:
        """Let a fuelling point lose its controller, and sell once on its own."""
        demand = self._customers.fuel(chance)
        nozzles = [
            nozzle.number
            for (point, _), nozzle in self._nozzles.items()
            if point == number and nozzle.product == demand.product
        ]
        if not nozzles:
            return
        fuelling = self._customers.fuelling(demand, nozzles[0], chance, self.state.pace)
        fuelling.offline = True
        if self._is_in_stock(number, fuelling):
            until = at + self._lasting(STAND_ALONE, chance)
            self._begin(number, at, [Step("offline", until)], fuelling)

    # --- Live lanes ----------------------------------------------------------------------------

    def _is_running(self) -> bool:
        return self.link_is_up and any(
            point.steps and point.steps[0].state == "fuelling"
            for point in self.state.points.values()
        )

    def _show_running(self, now: int) -> None:
        if now >= self._progress_at:
            self._progress_at = now + PROGRESS_MS
            for number, point in self.state.points.items():
                if point.steps and point.steps[0].state == "fuelling":
                    self._tell_point(number, now)
        if now >= self._gauges_at:
            self._gauges_at = now + GAUGE_MS
            if self.link_is_up:
                for number in self.state.tanks:
                    self._tell_tank(number, now)

    def _tell_point(self, number: int, at: int, ended: Fuelling | None = None) -> None:
        """Say a fuelling point's state; once idle again, with the sale that has just ended."""
        if not self._is_live or not self.link_is_up:
            return
        point = self.state.points[number]
        state = point.steps[0].state if point.steps else "idle"
        message = Pump(state=state, at=self._time(at))
        fuelling = point.fuelling or ended
        if fuelling is not None and state not in ("offline", "inoperative"):
            nozzle = self._nozzles[number, fuelling.nozzle]
            unit_price = self._prices[nozzle.product]
            ml = fuelling.ml if ended else self._running_ml(point, at)
            message.nozzle, message.product = fuelling.nozzle, nozzle.product
            message.unit_price = price(unit_price)
            if ended or state in _RUNNING:
                message.volume, message.amount = litres(ml), money(cents_of(ml, unit_price))
        self._out.append(Happening(PUMPS, message, device=number))

    def _running_ml(self, point: Point, at: int) -> int:
        """What the display shows now."""
        if point.fuelling is None or not point.steps:
            return 0
        step = point.steps[0]
        if step.state != "fuelling":
            return step.from_ml
        run_ml = (at - point.step_began) * point.fuelling.ml_per_second // SECOND
        return min(step.from_ml + max(0, run_ml), point.fuelling.ml)

    def _tell_tank(self, number: int, at: int) -> None:
        """Say what the gauge reads: what is being fuelled has left the tank already."""
        tank, spec = self.state.tanks[number], self._tanks[number]
        running_ml = sum(
            self._running_ml(point, at)
            for point_number, point in self.state.points.items()
            if point.fuelling is not None
            and not point.fuelling.offline
            and self._nozzles[point_number, point.fuelling.nozzle].tank == number
        )
        volume = litres(max(0, tank.ml - running_ml))
        message = TankGauge(
            at=self._time(at),
            product=spec.product,
            volume=volume,
            ullage=spec.capacity - volume,
            capacity=spec.capacity,
            water=Decimal("0.000"),
            temperature=self._temperature(number),
            status="ok",
            alarms=["low_product"] if tank.is_low else [],
        )
        self._out.append(Happening(TANKS, message, device=number))

    def _time(self, ms: int) -> datetime.datetime:
        whole = datetime.datetime.fromtimestamp(ms // SECOND, self._zone)
        return whole.replace(microsecond=ms % SECOND * 1_000)


def cut_over_ms(site: DemoSite, fiscal_day: datetime.date) -> int:
    """Return when a site's fiscal day begins."""
    zone = ZoneInfo(site.spec.timezone)
    return int(datetime.datetime.combine(fiscal_day, site.cut_over, zone).timestamp()) * SECOND


def fiscal_day_at(site: DemoSite, at: int) -> datetime.date:
    """Return the fiscal day that a moment falls into: the local date on which it began."""
    local = datetime.datetime.fromtimestamp(at // SECOND, ZoneInfo(site.spec.timezone))
    began_today = local.time() >= site.cut_over
    return local.date() if began_today else local.date() - datetime.timedelta(days=1)
