"""The report of one fiscal day of a site: an X report while it is not sealed, then its Z report.

Both say the same. A sealed day takes no more entries and no corrections, so its Z report never
changes; an X report says what is known when it is asked for.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from ledger.differences import less_ledger
from ledger.models import (
    Correction,
    CorrectionPosting,
    DayTotal,
    Delivery,
    Dip,
    FiscalDay,
    Totalizer,
)
from ledger.models.entry import TURNOVER_KINDS
from ledger.plausible import plausible
from ledger.selectors.days import day_readings
from ledger.selectors.deliveries import deliveries_in_days
from ledger.selectors.measures import Measure
from ledger.selectors.reports import ByKind, CurrencyReport, SumsByKind, period_report

_NOZZLES_SQL = (
    Path(__file__).parent.parent.joinpath("sql", "report_nozzles.sql").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFacts:
    """What the chain of seals says of a day; `perpetual_total` includes the day.

    A day that is not sealed yet has neither number nor seal. Its perpetual total is then that of
    the last sealed day and all turnover since, this day's included.
    """

    z_number: int | None = None
    seal: str = ""
    previous_seal: str = ""
    sealed_by: str = ""
    perpetual_total: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NozzleLine:
    """A nozzle: what was sold through it, and how far its meter went, in litres."""

    fuelling_point: int
    nozzle: int
    product: str
    kinds: ByKind = field(default_factory=ByKind)
    opening: Decimal | None = None
    closing: Decimal | None = None

    @property
    def metered(self) -> Decimal | None:
        """Litres through the meter, None while a reading is missing."""
        if self.opening is None or self.closing is None:
            return None
        return self.closing - self.opening

    @property
    def dispensed(self) -> Decimal:
        """Litres that entries say went through it: sold, tested and driven off with."""
        return self.kinds.turnover.volume + self.kinds.tests.volume + self.kinds.drive_offs.volume

    @property
    def difference(self) -> Decimal | None:
        """Litres through the meter less those of the entries."""
        return less_ledger(self.metered, self.dispensed)


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
    def metered(self) -> Decimal:
        """Litres through all meters that were read at both ends."""
        return sum((line.metered or Decimal(0) for line in self.nozzles), Decimal(0))


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
    """Return what the chain of seals says of a day with this turnover."""
    if day.z_number is not None and day.perpetual_total is not None:
        return SealFacts(
            z_number=day.z_number,
            seal=day.seal_hex,
            previous_seal=day.previous_seal_hex,
            sealed_by=str(day.sealed_by),
            perpetual_total=day.perpetual_total,
        )
    sealed = FiscalDay.objects.filter(site=day.site_id, z_number__isnull=False)
    last = sealed.order_by("-z_number").first()
    # Days before it that wait for their seal count too.
    waiting = _turnover_waiting(day)
    before = last.perpetual_total if last else None
    return SealFacts(
        previous_seal=last.seal_hex if last else "",
        perpetual_total=(before or Decimal(0)) + waiting + turnover,
    )


def _turnover_waiting(day: FiscalDay) -> Decimal:
    """Return the turnover of the site's days that are to be sealed before one. Two queries."""
    unsealed = FiscalDay.objects.filter(
        site=day.site_id, sealed_at=None, fiscal_day__lt=day.fiscal_day
    )
    days = plausible(unsealed, timezone.now()).values("fiscal_day")
    of_site = {"site": day.site_id, "kind__in": TURNOVER_KINDS}
    entries = DayTotal.objects.filter(**of_site, fiscal_day__in=days)
    moved = CorrectionPosting.objects.filter(**of_site, posted_to__in=days)
    amounts = (rows.aggregate(amount=Sum("amount"))["amount"] for rows in (entries, moved))
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _nozzles(day: FiscalDay, totalizers: list[Totalizer]) -> list[NozzleLine]:
    sums = SumsByKind()
    with connection.cursor() as cursor:
        cursor.execute(_NOZZLES_SQL, {"site_id": day.site_id, "fiscal_day": day.fiscal_day})
        for point, nozzle, product, kind, count, volume, amount in cursor.fetchall():
            sums.add(
                (point or 0, nozzle, product),
                kind,
                Measure(count=count, volume=volume, amount=amount),
            )
    read = {(row.fuelling_point, row.nozzle, row.product): row for row in totalizers}
    return [
        NozzleLine(
            fuelling_point=key[0],
            nozzle=key[1],
            product=key[2],
            kinds=sums.of(key),
            opening=read[key].opening if key in read else None,
            closing=read[key].closing if key in read else None,
        )
        for key in sorted({*sums.known(), *read})
    ]
