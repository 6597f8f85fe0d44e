"""The report of one fiscal day of a site: an X report while it is not sealed, then its Z report.

Both say the same. A sealed day takes no more entries and no corrections, so its Z report never
changes; an X report says what is known when it is asked for.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from ledger.models import (
    Correction,
    Delivery,
    Dip,
    FiscalDay,
    Totalizer,
)
from ledger.selectors.days import day_readings
from ledger.selectors.deliveries import deliveries_in_days
from ledger.selectors.figures import turnover_of_days
from ledger.selectors.measures import Measure
from ledger.selectors.reports import (
    BY_KIND_UNTAXED,
    UNTAXED,
    ByKind,
    CurrencyReport,
    SumsByKind,
    period_report,
)
from ledger.selectors.sealing import chain_head, days_before_seal
from ledger.selectors.wet_stock import MeterLine, dispensed_in_days, meter_lines

#: Fuelling point, nozzle and product.
_Key = tuple[int | None, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFacts:
    """What the chain of seals says of a day; `perpetual_total` includes the day.

    A day that is not sealed yet has neither number nor seal. Its perpetual total is then that of
    the day that was sealed last, of `waiting_days` that are to be sealed before it and its own.
    While there are any, the seal before its own is not known yet.
    """

    z_number: int | None = None
    seal: str = ""
    previous_seal: str = ""
    sealed_by: str = ""
    waiting_days: int = 0
    perpetual_total: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NozzleLine:
    """A nozzle and product: what was sold through it, and how far its meter went, in litres.

    `kinds` is what is posted to the day. `dispensed` is what entries say went through the meter on
    it: sold, tested and driven off with; a refund takes no fuel back.
    """

    fuelling_point: int | None
    nozzle: int
    product: str
    kinds: ByKind = BY_KIND_UNTAXED
    dispensed: Decimal = Decimal(0)
    meter: MeterLine | None = None

    @property
    def opening(self) -> Decimal | None:
        """Where the meter stood as the day opened, None where nobody read it."""
        return self.meter.opening if self.meter else None

    @property
    def closing(self) -> Decimal | None:
        """Where the meter stood as the day closed, None where nobody read it."""
        return self.meter.closing if self.meter else None

    @property
    def metered(self) -> Decimal | None:
        """Litres through the meter, None while a reading is missing."""
        return self.meter.metered if self.meter else None

    @property
    def difference(self) -> Decimal | None:
        """Litres through the meter less those of the nozzle's entries, whatever their product."""
        return self.meter.difference if self.meter else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """An X or Z report. `totals` includes what corrections posted to the day move."""

    day: FiscalDay
    made_at: datetime.datetime
    seal: SealFacts
    totals: CurrencyReport
    nozzles: list[NozzleLine]
    dips: list[Dip]
    deliveries: list[Delivery]
    corrections: list[Correction]
    correction_count: int

    @property
    def is_final(self) -> bool:
        """Whether it is the Z report."""
        return self.day.sealed_at is not None

    @property
    def metered(self) -> Decimal | None:
        """Litres through all meters that were read at both ends, None where none was."""
        metered = [line.metered for line in self.nozzles if line.metered is not None]
        return sum(metered, Decimal(0)) if metered else None


def day_report(day: FiscalDay, *, now: datetime.datetime | None = None) -> DayReport:
    """Return the report of a day, from its totals and its own entries by nozzle."""
    now = now or timezone.now()
    period = period_report(sites=[day.site_id], first=day.fiscal_day, last=day.fiscal_day)
    totals = period.currencies[0]
    dips, totalizers = day_readings(day)
    return DayReport(
        day=day,
        made_at=now,
        seal=seal_facts(day, turnover=totals.turnover.amount),
        totals=totals,
        nozzles=_nozzles(day, totalizers),
        dips=dips,
        deliveries=deliveries_in_days(day.site_id, first=day.fiscal_day, last=day.fiscal_day),
        corrections=period.corrections,
        correction_count=period.correction_count,
    )


def seal_facts(day: FiscalDay, *, turnover: Decimal) -> SealFacts:
    """Return what the chain of seals says of a day with this turnover. Three queries at most."""
    if day.z_number is not None and day.perpetual_total is not None:
        return SealFacts(
            z_number=day.z_number,
            seal=day.seal_hex,
            previous_seal=day.previous_seal_hex,
            sealed_by=str(day.sealed_by),
            perpetual_total=day.perpetual_total,
        )
    head = chain_head(day.site_id)
    waiting = list(
        days_before_seal(day.site_id, before=day.fiscal_day).values_list("fiscal_day", flat=True)
    )
    before = turnover_of_days(site_id=day.site_id, fiscal_days=waiting)
    return SealFacts(
        # Whatever is sealed before this day comes between: its seal is not known yet.
        previous_seal="" if waiting or head.seal is None else head.seal.hex(),
        waiting_days=len(waiting),
        perpetual_total=head.perpetual_total
        + sum((measure.amount for measure in before.values()), Decimal(0))
        + turnover,
    )


def _nozzles(day: FiscalDay, totalizers: list[Totalizer]) -> list[NozzleLine]:
    """Return what went through each nozzle, product by product; its meter with its own product."""
    dispensed = dispensed_in_days(day.site_id, first=day.fiscal_day, last=day.fiscal_day)
    sold = SumsByKind(UNTAXED)
    flowed: defaultdict[_Key, Decimal] = defaultdict(Decimal)
    for row in dispensed:
        if row.nozzle is None:
            continue
        key = (row.fuelling_point, row.nozzle, row.product)
        if row.posted_to == day.fiscal_day:
            measure = Measure(count=row.count, volume=row.volume, amount=row.amount, tax=None)
            sold.add(key, row.kind, measure)
        if row.flowed_on(day.fiscal_day):
            flowed[key] += row.volume
    meters = {
        (line.fuelling_point, line.nozzle, line.product): line
        for line in meter_lines(day, dispensed, totalizers)
    }
    return [
        NozzleLine(
            fuelling_point=key[0],
            nozzle=key[1],
            product=key[2],
            kinds=sold.of(key),
            dispensed=flowed[key],
            meter=meters.get(key),
        )
        # Where the fuelling point is unknown it comes first.
        for key in sorted({*sold.known(), *meters}, key=lambda key: (key[0] or 0, *key[1:]))
    ]
