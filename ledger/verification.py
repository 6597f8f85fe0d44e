"""Verifying the ledger: everything that was sealed or added up, made again from the rows.

Nothing is believed: seals are recomputed by the statement that made them, running totals are added
up from the entries, the guards of the database are looked for, and the copies that sites hold are
compared. What is found is named as exactly as can be: the entry, the line, the table. A site's
days are read a stretch at a time, so memory does not grow with the ledger.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from django.db import DataError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from ledger import canonical
from ledger.copy_verification import SealCopy, copy_verify
from ledger.faults import Fault
from ledger.function_verification import functions_verify
from ledger.hours import clock_offsets
from ledger.models import DaySeal, FiscalDay, Site
from ledger.models.entry import TURNOVER_KINDS
from ledger.record_verification import records_verify, sites_verify
from ledger.series_verification import series_verify
from ledger.sql import statement
from ledger.told_verification import corrections_verify_told, decisions_verify_told
from ledger.trail_verification import trail_verify

#: A stretch of a site's days that one statement reads; its lines stay in memory, its entries do
#: not leave the database.
DAYS_AT_ONCE = 100

_SQL = Path(__file__).parent / "sql"
_TOTALS = statement("verify_totals", "site_hour")
_GUARDS = (_SQL / "verify_guards.sql").read_text(encoding="utf-8")
_POSTINGS = statement("verify_postings", "site_hour")
_MONTHS = (_SQL / "verify_months.sql").read_text(encoding="utf-8")


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what is wrong; `notes` tells what is no fault but worth knowing."""

    days: int = 0
    sealed: int = 0
    entries: int = 0
    missing: int = 0
    copies: int = 0
    signatures: int = 0
    events: int = 0
    in_series: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def guards_verify() -> list[Fault]:
    """Return what is missing of the triggers that keep the ledger from being changed."""
    with connection.cursor() as cursor:
        cursor.execute(_GUARDS)
        return [Fault(what=f"the guard {name} of {table} {state}") for table, name, state in cursor]


def ledger_verify(
    *,
    sites: list[Site],
    first: datetime.date | None = None,
    last: datetime.date | None = None,
    copies: Mapping[str, SealCopy] | None = None,
    series: Collection[Path] = (),
    are_all_sites: bool = True,
    on_days: Callable[[int], None] = lambda _count: None,
) -> Verdict:
    """Verify the days of these sites from `first` to `last`, both None for all of them.

    `copies` are what sites hold, by their code; `series` are copies outside of the database, whose
    other sites are missed where `are_all_sites`; `on_days` hears of how many days were verified.
    """
    verdict, began = Verdict(faults=guards_verify()), timezone.now()
    for site in sites:
        for verify in (_verify_days, _verify_beside):
            try:
                # What is falsified may keep a statement from coming to an end: a time zone that is
                # none, a tax rate of -100.
                with transaction.atomic(durable=True):
                    verify(site, first, last, verdict, on_days)
            except (DataError, ZoneInfoNotFoundError, ValueError) as error:
                what = f"it cannot be verified: {str(error).splitlines()[0]}"
                verdict.faults.append(Fault(site=site.code, what=what))
        if copies is not None:
            copied = copy_verify(site, copies.get(site.code), before=began)
            verdict.copies += site.code in copies
            verdict.faults += copied.faults
            verdict.notes += copied.notes
    verdict.faults += functions_verify()
    verdict.faults += sites_verify()
    verdict.faults += records_verify(None, first=first, last=last)
    verdict.faults += decisions_verify_told()
    trail = trail_verify(sites=sites, first=first, last=last)
    verdict.signatures, verdict.events = trail.signatures, trail.head.number
    verdict.faults += trail.faults
    verdict.notes += trail.notes
    for path in series:
        compared = series_verify(
            path, sites=sites, first=first, last=last, are_all_sites=are_all_sites
        )
        verdict.in_series += compared.seals
        verdict.faults += compared.faults
        verdict.notes += compared.notes
    return verdict


def days_to_verify(
    *, sites: list[Site], first: datetime.date | None = None, last: datetime.date | None = None
) -> int:
    """Return how many days that will be."""
    return FiscalDay.objects.filter(_within(first, last), site__in=sites).count()


def _within(first: datetime.date | None, last: datetime.date | None) -> Q:
    within = Q()
    if first is not None:
        within &= Q(fiscal_day__gte=first)
    if last is not None:
        within &= Q(fiscal_day__lte=last)
    return within


def _verify_days(
    site: Site,
    first: datetime.date | None,
    last: datetime.date | None,
    verdict: Verdict,
    on_days: Callable[[int], None],
) -> None:
    chain = _Chain(site, first)
    for days in _stretches(site, first, last):
        seals = {
            seal.fiscal_day: seal
            for seal in DaySeal.objects.filter(
                site=site, fiscal_day__range=(days[0].fiscal_day, days[-1].fiscal_day)
            ).defer("entry_marks")
        }
        with connection.cursor() as cursor:
            bodies = {
                body.fiscal_day: body
                for body in canonical.bodies(
                    cursor,
                    site_id=site.pk,
                    first=days[0].fiscal_day,
                    last=days[-1].fiscal_day,
                )
            }
        for day in days:
            verdict.days += 1
            verdict.entries += day.entry_count
            verdict.missing += max(day.missing_count, 0)
            if day.sealed_at is not None or day.seal is not None or day.fiscal_day in seals:
                verdict.sealed += 1
                if (body := bodies.get(day.fiscal_day)) is None:
                    # Nothing can be made of a day whose site is gone, which is named by itself.
                    continue
                found = chain.verify(day, body, seals.pop(day.fiscal_day, None))
                verdict.faults.extend(found)
        verdict.faults.extend(_fault(site, left, "a seal without its day") for left in seals)
        verdict.faults.extend(_verify_sums(site, days[0].fiscal_day, days[-1].fiscal_day))
        on_days(len(days))
    orphans = DaySeal.objects.filter(_within(first, last), site=site)
    held = FiscalDay.objects.filter(site=site).values("fiscal_day")
    for gone in orphans.exclude(fiscal_day__in=held).values_list("fiscal_day", flat=True):
        verdict.faults.append(_fault(site, gone, "the fiscal day is gone; its seal is there"))


def _verify_beside(
    site: Site,
    first: datetime.date | None,
    last: datetime.date | None,
    verdict: Verdict,
    _on_days: Callable[[int], None],
) -> None:
    """Verify what stands beside the days: sums of months, records, what the trail tells."""
    verdict.faults.extend(_verify_months(site, first, last))
    verdict.faults.extend(records_verify(site, first=first, last=last))
    verdict.faults.extend(corrections_verify_told(site, first=first, last=last))


def _stretches(
    site: Site, first: datetime.date | None, last: datetime.date | None
) -> Iterator[list[FiscalDay]]:
    days: list[FiscalDay] = []
    found = FiscalDay.objects.filter(_within(first, last), site=site).order_by("fiscal_day")
    for day in found.iterator(chunk_size=DAYS_AT_ONCE):
        days.append(day)
        if len(days) == DAYS_AT_ONCE:
            yield days
            days = []
    if days:
        yield days


class _Chain:
    """The seals of one site, one after the other."""

    def __init__(self, site: Site, first: datetime.date | None) -> None:
        self._site = site
        # A part of the chain is verified from the seal before it.
        before = None
        if first is not None:
            earlier = FiscalDay.objects.filter(site=site, fiscal_day__lt=first)
            before = earlier.exclude(seal=None).order_by("-fiscal_day").first()
        self._follow(before)

    def _follow(self, before: FiscalDay | None) -> None:
        """Go on behind a day; None: at the beginning."""
        self._z_number = before.z_number or 0 if before else 0
        self._seal = bytes(before.seal) if before and before.seal else canonical.NO_SEAL
        self._total = before.perpetual_total or Decimal(0) if before else Decimal(0)

    def _follow_number_before(self, day: FiscalDay) -> None:
        """Go on behind the day of the number before, if that is not the one that came last.

        A day that the ledger heard of after later ones were sealed is sealed behind those. Where
        there is no such number the chain stays where it is, and does not fit.
        """
        if day.z_number is None or day.z_number == self._z_number + 1:
            return
        numbered = FiscalDay.objects.filter(site=self._site, z_number=day.z_number - 1)
        before = numbered.exclude(seal=None).first()
        if before is not None or day.z_number == 1:
            self._follow(before)

    def verify(self, day: FiscalDay, body: canonical.Body, seal: DaySeal | None) -> list[Fault]:
        """Return what is wrong with a sealed day; the chain goes on from what it says."""
        self._follow_number_before(day)
        stored = bytes(day.seal) if day.seal else b""
        total = self._total + body.turnover
        if seal is not None:
            body = body.as_sealed(seal.document)
        document = canonical.document_of(
            body,
            z_number=self._z_number + 1,
            previous_seal=self._seal,
            perpetual_total=total,
            signatures=canonical.signatures_of(day),
        )
        faults = []
        if canonical.seal_of(document) != stored:
            faults.append(self._name(day, seal, document, stored))
        elif seal is None or seal.document != document:
            faults.append(_fault(self._site, day.fiscal_day, "the sealed document was changed"))
        for name, says, should in (
            ("Z number", day.z_number, self._z_number + 1),
            ("previous seal", bytes(day.previous_seal or canonical.NO_SEAL), self._seal),
            ("perpetual total", day.perpetual_total, total),
        ):
            if says != should and not faults:
                faults.append(
                    _fault(self._site, day.fiscal_day, f"the {name} is not the one of the chain")
                )
        # One broken day is one fault, not one of every day after it.
        self._z_number = day.z_number or self._z_number + 1
        self._seal = stored or canonical.seal_of(document)
        self._total = day.perpetual_total if day.perpetual_total is not None else total
        return faults

    def _name(self, day: FiscalDay, seal: DaySeal | None, document: str, stored: bytes) -> Fault:
        """Name the first thing about a day that is not as it was sealed."""
        if seal is None:
            return _fault(self._site, day.fiscal_day, "the sealed document is gone")
        if canonical.seal_of(seal.document) != stored:
            return _fault(self._site, day.fiscal_day, "the seal is not that of its document")
        was, there = _first_difference(seal.document.split("\n"), document.split("\n"))
        if '"entries"' in was[:12] or '"entries"' in there[:12]:
            marks = DaySeal.objects.values_list("entry_marks", flat=True).get(pk=seal.pk)
            with connection.cursor() as cursor:
                present = canonical.entry_marks(
                    cursor, site_id=day.site_id, fiscal_day=day.fiscal_day
                )
            changed = canonical.changed_entry(bytes(marks), present)
            if changed is not None:
                return _fault(
                    self._site, day.fiscal_day, f"entry {changed} is not as it was sealed"
                )
        return _fault(self._site, day.fiscal_day, f"sealed was {was}, there is {there}")


def _first_difference(sealed: list[str], now: list[str]) -> tuple[str, str]:
    """Return the first line that differs, as sealed and as it is now.

    The line that chains the days comes last: it differs because of what the others say.
    """
    pairs = list(zip_longest(sealed, now, fillvalue="nothing"))
    return next(pair for pair in [*pairs[1:], pairs[0]] if pair[0] != pair[1])


def _verify_sums(site: Site, first: datetime.date, last: datetime.date) -> Iterator[Fault]:
    parameters: dict[str, Any] = {
        "site_id": site.pk,
        "first": first,
        "last": last,
        "turnover_kinds": [int(kind) for kind in TURNOVER_KINDS],
        **clock_offsets(site.timezone),
    }
    for sums in (_TOTALS, _POSTINGS):
        with connection.cursor() as cursor:
            cursor.execute(sums, parameters)
            for fiscal_day, what in cursor.fetchall():
                yield _fault(site, fiscal_day, what)


def _verify_months(
    site: Site, first: datetime.date | None, last: datetime.date | None
) -> Iterator[Fault]:
    with connection.cursor() as cursor:
        cursor.execute(
            _MONTHS,
            {
                "site_id": site.pk,
                "first": first or datetime.date.min,
                "last": last or datetime.date.max,
                "turnover_kinds": [int(kind) for kind in TURNOVER_KINDS],
            },
        )
        for month, what in cursor.fetchall():
            yield _fault(site, month, what)


def _fault(site: Site, fiscal_day: datetime.date, what: Any) -> Fault:
    return Fault(site=site.code, fiscal_day=fiscal_day, what=str(what))
