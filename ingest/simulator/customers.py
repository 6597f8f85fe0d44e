"""Who comes when, and what they want: every draw of chance that customers cause.

Each visit has a generator of its own, named by seed, site and the visit's number. So a run can be
repeated, and a simulator that was restarted goes on as if it had not been.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ingest.contract import KindName, PaymentName
from ingest.simulator.state import HOUR, SECOND, Fuelling, Step, ml_for
from ledger.demo_sites import DemoSite, FuelDemand

#: Of all customers, those who only buy in the shop; of these, those who bring something back.
SHOP_ONLY_SHARE = 0.11
REFUND_SHARE = 0.03
#: Of those who fuel: staff who test a pump, drivers who leave without paying, those who also
#: buy something, and those who ask for a round amount of money.
TEST_SHARE = 1 / 300
DRIVE_OFF_SHARE = 1 / 250
SHOP_TOO_SHARE = 0.22
ROUND_AMOUNT_SHARE = 0.3
SUSPENDED_SHARE = 0.05

TEST_ML = (5_000, 10_000, 20_000)
FUELLING_ML_MIN = 2_000
#: Nobody takes more than this many times the typical volume: no vehicle has a larger tank.
TYPICAL_TIMES_MAX = 3
ML_PER_SECOND = (520, 680)

#: How long each part of a visit takes, in milliseconds, from and to.
CALLING = (3 * SECOND, 9 * SECOND)
AUTHORISED = (1 * SECOND, 3 * SECOND)
STARTED = (2 * SECOND, 5 * SECOND)
SUSPENDED = (5 * SECOND, 25 * SECOND)
PAYING = (35 * SECOND, 150 * SECOND)
#: However fast the pace, a step lasts this long, so that each state can be seen.
STEP_MS_MIN = 50


def chance_of(seed: int, site_code: str, what: str, number: int | str) -> random.Random:
    """Return the generator of one happening, always the same for the same names."""
    return random.Random(f"{seed}/{site_code}/{what}/{number}")  # noqa: S311 a game, no secret


@dataclass(frozen=True, slots=True)
class ShopVisit:
    """A purchase without fuel, or something brought back (negative)."""

    kind: KindName
    product: str
    cents: int
    payment: PaymentName


class Customers:
    """The customers of one site."""

    def __init__(self, site: DemoSite, prices: dict[str, int]) -> None:
        self._site = site
        self._prices = prices
        self._zone = ZoneInfo(site.spec.timezone)
        self._weight_max = max(site.hour_weights)
        visits_per_hour_max = site.visits_per_day * self._weight_max / sum(site.hour_weights)
        self._visits_per_ms_max = visits_per_hour_max / HOUR

    def next_arrival(self, after: int, chance: random.Random, pace: float) -> int:
        """Return when the next customer comes: a Poisson process that follows the hour of day."""
        at = after
        while True:
            at += max(1, round(chance.expovariate(self._visits_per_ms_max * pace)))
            hour = datetime.fromtimestamp(at // SECOND, self._zone).hour
            if chance.random() * self._weight_max < self._site.hour_weights[hour]:
                return at

    def fuel(self, chance: random.Random) -> FuelDemand:
        """Return which fuel a customer wants."""
        demand = self._site.demand
        return chance.choices(demand, [fuel.share for fuel in demand])[0]

    def shop_visit(self, chance: random.Random) -> ShopVisit:
        """Return what somebody buys who takes no fuel."""
        product, cents = self._goods(chance)
        payment = self._payment(chance)
        if chance.random() < REFUND_SHARE:
            return ShopVisit("refund", product, -cents, payment)
        return ShopVisit("sale", product, cents, payment)

    def fuelling(
        self, demand: FuelDemand, nozzle: int, chance: random.Random, pace: float
    ) -> Fuelling:
        """Return what somebody takes at a nozzle, and how they leave."""
        lot = chance.random()
        kind: KindName = "sale"
        if lot < TEST_SHARE:
            kind = "test"
        elif lot < TEST_SHARE + DRIVE_OFF_SHARE:
            kind = "drive_off"
        fuelling = Fuelling(
            kind=kind,
            nozzle=nozzle,
            ml=chance.choice(TEST_ML) if kind == "test" else self._volume(demand, chance),
            ml_per_second=round(chance.randint(*ML_PER_SECOND) * pace),
            payment=self._payment(chance) if kind == "sale" else None,
            pays_for_ms=_duration(PAYING, chance, pace),
        )
        if kind == "sale" and chance.random() < SHOP_TOO_SHARE:
            fuelling.shop_product, fuelling.shop_cents = self._goods(chance)
        return fuelling

    def steps(self, at: int, fuelling: Fuelling, chance: random.Random, pace: float) -> list[Step]:
        """Return the states that a fuelling point walks through, from calling until it is idle."""
        steps: list[Step] = []

        def walk(state: str, duration_ms: int, from_ml: int = 0) -> None:
            began = steps[-1].until if steps else at
            steps.append(Step(state, began + max(STEP_MS_MIN, duration_ms), from_ml))  # type: ignore[arg-type]

        walk("calling", _duration(CALLING, chance, pace))
        walk("authorised", _duration(AUTHORISED, chance, pace))
        walk("started", _duration(STARTED, chance, pace))
        if chance.random() < SUSPENDED_SHARE / 4:
            walk("suspended_started", _duration(SUSPENDED, chance, pace))
        first_ml = fuelling.ml
        if chance.random() < SUSPENDED_SHARE:
            first_ml = fuelling.ml * chance.randint(20, 80) // 100
        walk("fuelling", first_ml * SECOND // fuelling.ml_per_second)
        if first_ml < fuelling.ml:
            walk("suspended_fuelling", _duration(SUSPENDED, chance, pace), first_ml)
            rest_ml = fuelling.ml - first_ml
            walk("fuelling", rest_ml * SECOND // fuelling.ml_per_second, first_ml)
        return steps

    def _volume(self, demand: FuelDemand, chance: random.Random) -> int:
        typical_ml = demand.litres_typical * 1_000
        price = self._prices[demand.product]
        if chance.random() < ROUND_AMOUNT_SHARE:
            unit = _round_cents(price)
            wanted = typical_ml * price / 100_000 * chance.uniform(0.4, 1.3)
            return ml_for(max(1, round(wanted / unit)) * unit, price)
        # Pumps show hundredths of a litre.
        ml = round(typical_ml * chance.lognormvariate(0, 0.4) / 10) * 10
        return min(max(ml, FUELLING_ML_MIN), typical_ml * TYPICAL_TIMES_MAX)

    def _goods(self, chance: random.Random) -> tuple[str, int]:
        product, low, high = chance.choices(self._site.dry_goods, (4, 1))[0]
        low_cents, high_cents = int(low * 100), int(high * 100)
        return product, round(chance.triangular(low_cents, high_cents, low_cents))

    def _payment(self, chance: random.Random) -> PaymentName:
        names = [name for name, _ in self._site.payments]
        return chance.choices(names, [share for _, share in self._site.payments])[0]  # type: ignore[return-value]


def _duration(bounds: tuple[int, int], chance: random.Random, pace: float) -> int:
    return round(chance.randint(*bounds) / pace)


def _round_cents(price: int) -> int:
    """The step of round amounts: tens where a litre is cheap in figures, hundreds where dear."""
    if price < 30_000:
        return 10_00
    return 50_00 if price < 100_000 else 100_00
