"""Reports against plain additions: every grouping of every report, corrections posted included."""

from __future__ import annotations

import csv
import datetime
import io
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import F
from django.test import Client

from ledger.models import (
    Correction,
    DayTotal,
    Entry,
    FiscalDay,
    HourTotal,
    Kind,
    MonthSum,
    MonthTotal,
    Payment,
    PaymentTotal,
    Site,
)
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE
from ledger.models.entry import TURNOVER_KINDS
from ledger.selectors.corrections import values_of
from ledger.selectors.measures import Measure
from ledger.selectors.reports import (
    CurrencyReport,
    MonthsOutdatedError,
    period_report,
)
from ledger.selectors.reports_day import day_report
from ledger.services import month_totals
from ledger.services.corrections import Draft, correction_approve, correction_propose
from ledger.services.month_totals import months_sum_up, period_report_summed_up
from ledger.tax import tax_of
from tests.factories import make_day, make_entry, make_site, make_user
from tests.sealing import sealed

pytestmark = pytest.mark.django_db
LONG_AGO, YESTERDAY = datetime.date(2026, 8, 15), datetime.date(2026, 11, 21)
TODAY = datetime.date(2026, 11, 24)
RATES = [Decimal(20), Decimal("5.5"), Decimal(0), None]
ENTRIES = 40


@dataclass(frozen=True)
class Counted:
    """What counts on a fiscal day or is taken back (-1): an entry, or a correction's side."""

    site: Site
    day: datetime.date
    values: dict[str, Any]
    times: int = 1

    @property
    def is_turnover(self) -> bool:
        return self.values["kind"] in TURNOVER_KINDS

    @property
    def hour(self) -> int:
        return self.values["occurred_at"].astimezone(ZoneInfo(self.site.timezone)).hour

    @property
    def measure(self) -> Measure:
        amount, rate = self.values["amount"], self.values["tax_rate"]
        return Measure(
            count=self.times,
            volume=self.times * (self.values["volume"] or Decimal(0)),
            amount=self.times * amount,
            tax=None if rate is None else self.times * tax_of(amount, rate),
        )


Key = Callable[[Counted], Any]


def added_up(counted: Iterable[Counted], key: Key) -> dict[Any, Measure]:
    """Add up what has the same key; what comes to nothing is left out."""
    sums: defaultdict[Any, Measure] = defaultdict(Measure)
    for one in counted:
        sums[key(one)] += one.measure
    return {name: measure for name, measure in sums.items() if not measure.is_nothing}


def untaxed(sums: dict[Any, Measure]) -> dict[Any, Measure]:
    """Leave taxes out, which payments and hours do not have."""
    return {
        name: Measure(count=one.count, volume=one.volume, amount=one.amount, tax=None)
        for name, one in sums.items()
    }


class Books:
    """Two sites in two currencies, each with a sealed day long ago and one that is open."""

    def __init__(self) -> None:
        self.counted: list[Counted] = []
        self.days: list[FiscalDay] = []
        #: Corrections posted to a day.
        self.corrections: dict[tuple[str, datetime.date], int] = defaultdict(int)
        self._chance = random.Random(4711)
        author, approver = make_user(), make_user()
        for code, currency, zone in (
            ("S1", "GBP", "Europe/London"),
            ("S2", "EUR", "Europe/Lisbon"),
        ):
            site = make_site(code, currency=currency, timezone=zone)
            old = sealed(self._day(site, LONG_AGO))
            new = self._day(site, YESTERDAY)
            for day in (old, new):
                for sequence in range(1, ENTRIES, 3):
                    self._correct(day, sequence, author, approver)
                self.days.append(day)

    def _values(self, day: datetime.date) -> dict[str, Any]:
        chance = self._chance
        kind = chance.choice([*[Kind.SALE] * 6, *Kind])
        sign = -1 if kind == Kind.REFUND else 1
        return {
            "kind": int(kind),
            "product": chance.choice(["E10", "B7", "SHOP"]),
            "amount": sign * Decimal(chance.randint(1, 99999)) / 100,
            "volume": chance.choice([None, sign * Decimal(chance.randint(1, 99999)) / 1000]),
            "tax_rate": chance.choice(RATES),
            "payment": chance.choice([None, *map(int, Payment)]),
            "occurred_at": datetime.datetime.combine(
                day, datetime.time(chance.randint(5, 21), chance.randint(0, 59)), datetime.UTC
            ),
        }

    def _day(self, site: Site, date: datetime.date) -> FiscalDay:
        day = make_day(site, fiscal_day=date.isoformat(), entries=0, entry_count=ENTRIES,
                       highest_sequence=ENTRIES)  # fmt: skip
        new = [Counted(site, date, self._values(date)) for _ in range(ENTRIES)]
        for sequence, one in enumerate(new, start=1):
            make_entry(site, fiscal_day=date.isoformat(), sequence=sequence, **one.values)
        write_totals(site, date, new)
        self.counted += new
        return day

    def _correct(self, day: FiscalDay, sequence: int, author: Any, approver: Any) -> None:
        """State an entry anew in one or more ways, or void it."""
        entry = Entry.objects.get(site=day.site_id, fiscal_day=day.fiscal_day, sequence=sequence)
        before = values_of(entry)
        drawn = self._values(day.fiscal_day)
        names = self._chance.sample(sorted(drawn), self._chance.randint(1, len(drawn)))
        changed = {"amount", *names}
        is_void = sequence % 4 == 0
        after = None if is_void else before | {name: drawn[name] for name in changed}
        draft = Draft(
            site=day.site,
            fiscal_day=day.fiscal_day,
            sequence=sequence,
            action=Correction.Action.VOID if is_void else Correction.Action.CORRECT,
            reason=Correction.Reason.SOLD_TWICE,
            values=after,
        )
        made = correction_propose(draft=draft, author=author)
        if made.status == Correction.Status.PROPOSED:
            made = correction_approve(correction=made, decided_by=approver)
        assert made.posted_to == YESTERDAY
        self.corrections[day.site.code, YESTERDAY] += 1
        self.counted.append(Counted(day.site, YESTERDAY, before, times=-1))
        if after is not None:
            self.counted.append(Counted(day.site, YESTERDAY, after))

    def of(self, site: str, first: datetime.date, last: datetime.date) -> list[Counted]:
        return [one for one in self.counted if one.site.code == site and first <= one.day <= last]


def write_totals(site: Site, date: datetime.date, new: list[Counted]) -> None:
    """Write the totals that the worker would have written with these entries."""
    key = {"site": site, "fiscal_day": date}

    def sums(measure: Measure, *, taxed: bool = False) -> dict[str, Any]:
        tax = {"tax": measure.tax or 0} if taxed else {}
        return {"count": measure.count, "volume": measure.volume, "amount": measure.amount} | tax

    names = ("product", "kind", "tax_rate")
    for values, measure in added_up(new, lambda one: tuple(one.values[n] for n in names)).items():
        stated = dict(zip(names, values, strict=True))
        if stated["tax_rate"] is None:
            stated["tax_rate"] = NO_TAX_RATE
        DayTotal.objects.create(**key, **stated, **sums(measure, taxed=True))
    paid = added_up(new, lambda one: (one.values["payment"] or NO_PAYMENT, one.values["kind"]))
    for (payment, kind), measure in paid.items():
        PaymentTotal.objects.create(**key, payment=payment, kind=kind, **sums(measure))
    turnover = [one for one in new if one.is_turnover]
    for hour, measure in added_up(turnover, lambda one: one.hour).items():
        HourTotal.objects.create(**key, hour=hour, **sums(measure))


@pytest.fixture
def books() -> Books:
    return Books()


def check(report: CurrencyReport, counted: list[Counted], time: Key) -> None:
    """Compare every grouping of a report with plain additions, and them with each other."""
    turnover = [one for one in counted if one.is_turnover]

    def told(lines: Iterable[tuple[Any, Measure]]) -> dict[Any, Measure]:
        return {name: measure for name, measure in lines if not measure.is_nothing}

    for by_kind, of in (
        (
            [(line.product, line.kinds) for line in report.products],
            lambda one: one.values["product"],
        ),
        ([(line.code, line.kinds) for line in report.sites], lambda one: one.site.code),
    ):
        for kind, name in zip(Kind, ("sales", "refunds", "tests", "drive_offs"), strict=True):
            expected = added_up([one for one in counted if one.values["kind"] == kind], of)
            assert told((key, getattr(kinds, name)) for key, kinds in by_kind) == expected
    rates = told((line.tax_rate, line.turnover) for line in report.taxes)
    assert rates == added_up(turnover, lambda one: one.values["tax_rate"])
    times = told((line.day, line.turnover) for line in report.times)
    assert times == added_up(turnover, time)
    paid = told((line.payment, line.kinds.turnover) for line in report.payments)
    assert paid == untaxed(added_up(turnover, lambda one: one.values["payment"]))
    hours = told((line.hour, line.turnover) for line in report.hours)
    assert hours == untaxed(added_up(turnover, lambda one: one.hour))

    whole = sum((one.measure for one in turnover), Measure())
    assert report.turnover == whole
    assert whole.net is not None
    assert whole.tax is not None
    assert whole.net + whole.tax + whole.unrated == whole.amount
    for groups in (
        [line.kinds.turnover for line in report.products],
        [line.kinds.turnover for line in report.sites],
        [line.turnover for line in report.taxes],
        [line.turnover for line in report.times],
    ):
        assert sum(groups, Measure()) == whole
        nets = sum(one.net or 0 for one in groups)
        assert nets + sum(one.tax or 0 for one in groups) == whole.amount - whole.unrated
    for amounts in (paid, hours):
        together = sum(amounts.values(), Measure())
        assert (together.amount, together.volume, together.count) == (
            *(whole.amount, whole.volume),
            whole.count,
        )


def month(one: Counted) -> datetime.date:
    return one.day.replace(day=1)


@pytest.mark.parametrize(
    ("first", "last", "time"),
    [
        (LONG_AGO, LONG_AGO, lambda one: one.day),
        (YESTERDAY, YESTERDAY, lambda one: one.day),
        (datetime.date(2026, 11, 1), TODAY, lambda one: one.day),
        (datetime.date(2026, 8, 1), TODAY, month),
        (datetime.date(2026, 8, 10), YESTERDAY, month),
    ],
    ids=["a sealed day", "an open day", "a month", "whole months", "parts of months"],
)
def test_a_period_adds_up_in_every_grouping(
    books: Books, first: datetime.date, last: datetime.date, time: Key
) -> None:
    report = period_report_summed_up(first=first, last=last, today=TODAY)
    assert report == period_report(first=first, last=last)
    assert sorted(one.currency for one in report.currencies) == ["EUR", "GBP"]
    for one in report.currencies:
        site = {"GBP": "S1", "EUR": "S2"}[one.currency]
        check(one, books.of(site, first, last), time)
        posted = [each for each in report.corrections if each.site.code == site]
        assert len(posted) == (first <= YESTERDAY <= last) * books.corrections[site, YESTERDAY]


def test_an_x_and_a_z_report_add_up_in_every_grouping(books: Books) -> None:
    for day in books.days:
        report = day_report(FiscalDay.objects.get(pk=day.pk))
        assert report.is_final == (day.fiscal_day == LONG_AGO)
        counted = books.of(day.site.code, day.fiscal_day, day.fiscal_day)
        check(report.totals, counted, lambda one: one.day)


@pytest.mark.parametrize(
    "path",
    [
        "/reports/period/?first=2026-08-01&last=2026-11-24",
        f"/sites/S1/days/{LONG_AGO}/report/?x=1",
        f"/sites/S2/days/{YESTERDAY}/report/?x=1",
    ],
)
def test_every_line_of_a_file_adds_up(books: Books, client: Client, path: str) -> None:
    client.force_login(make_user())
    lines = list(csv.DictReader(io.StringIO(client.get(f"{path}&format=csv").text)))
    taxed = [line for line in lines if line["tax"]]
    assert {line["part"] for line in taxed} == {
        *("total", "moved by corrections", "product"),
        *("tax rate", "day or month", "site"),
    }
    for line in taxed:
        parts = (line["net"], line["tax"], line["gross_without_rate"])
        assert sum(map(Decimal, parts)) == Decimal(line["gross"]), line

    def walk(value: Any) -> int:
        """Check every measure below; return how many there were."""
        if isinstance(value, dict) and "gross" in value:
            parts = [value[name] for name in ("net", "tax", "gross_without_rate")]
            assert parts == [None] * 3 or sum(map(Decimal, parts)) == Decimal(value["gross"])
            return 1
        parts = value.values() if isinstance(value, dict) else value
        return sum(map(walk, parts)) if isinstance(value, dict | list) else 0

    assert walk(json.loads(client.get(f"{path}&format=json").content)) > 50


def test_months_that_lack_an_entry_are_never_reported(books: Books) -> None:
    ends = {"first": datetime.date(2026, 7, 1), "last": TODAY}
    july = make_day(books.days[-1].site, fiscal_day="2026-07-10")
    months = months_sum_up(**ends, today=TODAY)
    assert period_report(**ends, months=months) == period_report(**ends)
    FiscalDay.objects.filter(pk=july.pk).update(entry_count=4)
    with pytest.raises(MonthsOutdatedError):
        period_report(**ends, months=months)
    # Of the other site nothing is outdated.
    of_one = {"sites": Site.objects.filter(code="S1"), **ends}
    assert period_report(**of_one, months=months) == period_report(**of_one)
    assert period_report_summed_up(**ends, today=TODAY) == period_report(**ends)
    entries = MonthSum.objects.order_by("month", "site").values_list("entries", flat=True)
    assert list(entries) == [4, ENTRIES, ENTRIES]


def test_months_whose_counts_cancel_out_are_never_reported(books: Books) -> None:
    """Somebody falsifies a total, and the counts of two months so that they add up."""
    ends = {"first": datetime.date(2026, 7, 1), "last": TODAY}
    site = books.days[-1].site
    for day in ("2026-07-10", "2026-08-10"):
        make_day(site, fiscal_day=day)
    months = months_sum_up(**ends, today=TODAY)
    july, august = (
        MonthSum.objects.filter(site=site, month=month) for month in ("2026-07-01", "2026-08-01")
    )
    MonthTotal.objects.filter(month="2026-07-01").update(amount=F("amount") + 100)
    assert july.update(entries=F("entries") + 1) == august.update(entries=F("entries") - 1) == 1
    with pytest.raises(MonthsOutdatedError):
        period_report(**ends, months=months)
    assert period_report_summed_up(**ends, today=TODAY) == period_report(**ends)


def test_an_entry_that_comes_in_while_months_are_summed_up_is_reported(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"first": datetime.date(2026, 7, 1), "last": TODAY}
    # As if they had been outdated again at once, by what came in between.
    monkeypatch.setattr(month_totals, "months_sum_up", lambda **asked: None)
    assert period_report_summed_up(**ends, today=TODAY) == period_report(**ends)
    assert not MonthSum.objects.exists()
