"""Every report, file, page and seal says the same of a day, and it is what its entries add up to.

Days are made at random and corrected, sealed in any order and corrected again; each figure is then
compared with a model that adds up what counts (`tests.report_model`).
"""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections import defaultdict
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from console import report_files
from console.models import Role
from ledger.models import (
    Correction,
    DaySeal,
    DeclaredTotal,
    Dip,
    FiscalDay,
    Kind,
    Payment,
    Site,
    Totalizer,
)
from ledger.selectors.corrections import effective_entry
from ledger.selectors.days import day_summary
from ledger.selectors.figures import turnover_of_days
from ledger.selectors.measures import Measure
from ledger.selectors.reconciliation import Reconciliation, reconciliation
from ledger.selectors.reports import period_report
from ledger.selectors.reports_day import DayReport, day_report
from ledger.selectors.reports_stock import stock_trend
from ledger.selectors.sites import site_rows
from ledger.selectors.totals import ledger_totals
from ledger.services.corrections import (
    Draft,
    correction_approve,
    correction_propose,
    corrections_propose,
)
from ledger.verification import ledger_verify
from tests.factories import make_forecourt, make_user
from tests.report_model import (
    DAY_LITRES_MAX,
    KINDS,
    REFUND,
    Books,
    Day,
    Figures,
    Line,
    Side,
    plainly,
    rate_name,
)
from tests.sealing import explain_all, sealed

Action = Correction.Action
UTC = datetime.UTC
ONE_DAY = datetime.timedelta(days=1)
#: The second of three days: clocks go back, forward, and went by the sun.
MIDDLES = [datetime.date(2026, 10, 25), datetime.date(2026, 3, 29), datetime.date(1850, 6, 15)]
ZONES = ["Europe/London", "America/New_York", "Africa/Monrovia", "Australia/Lord_Howe"]
NOZZLES = [(1, 1), (1, 2), (2, 1), (2, 2)]
#: The numbers of entries that a day has at most.
NUMBERS_MAX = 6


def litres(least: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(least * 1000, most * 1000).map(lambda number: Decimal(number) / 1000)


def money(least: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(least * 100, most * 100).map(lambda number: Decimal(number) / 100)


values = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([Kind.SALE, Kind.SALE, *Kind]),
        "product": st.sampled_from(["E10", "B7", "SHOP"]),
        "amount": money(-60, 90),
        "volume": st.none() | litres(0, 60) | litres(-30, -1),
        "tax_rate": st.sampled_from([None, Decimal(0), Decimal("5.5"), Decimal(20)]),
        "payment": st.sampled_from([None, *Payment]),
        "device": st.sampled_from([(None, None), (None, 1), *NOZZLES]),
        #: Within the day, to the second: around changes of the clock and of the hour.
        "second": st.integers(-7200, 93_600) | st.sampled_from([3599, 3600, 7199, 7200, 25_199]),
        # Some have a clock that was never set.
        "is_old": st.integers(0, 9).map(lambda number: number == 0),
    }
)
_reading = st.none() | litres(0, 90)
days = st.fixed_dictionaries(
    {
        "entries": st.lists(values, min_size=1, max_size=4),
        "meters": st.dictionaries(
            st.sampled_from(NOZZLES),
            st.tuples(
                litres(100, 500) | st.none(), _reading | st.just(Decimal(DAY_LITRES_MAX + 1))
            ),
            max_size=4,
        ),
        "dips": st.dictionaries(
            st.sampled_from([1, 2]), st.tuples(litres(500, 900), _reading), max_size=2
        ),
        "declared": st.dictionaries(
            st.sampled_from(["E10", "SHOP"]),
            st.tuples(st.integers(0, 4), litres(0, 99), money(0, 99)),
            max_size=2,
        ),
    }
)
#: Which of the three days, which of its entries, and what it states now: nothing, if it is void.
changes = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.none() | values), min_size=1, max_size=4
)


class World:
    """A site with three days, the first of which the ledger hears of last."""

    def __init__(self, timezone: str, middle: datetime.date, drawn: list[dict[str, Any]]) -> None:
        self.site: Site = make_forecourt(
            timezone=timezone, currency="EUR", first_fiscal_day=middle - 9 * ONE_DAY
        )
        self.dates = [middle - ONE_DAY, middle, middle + ONE_DAY]
        self.drawn = dict(zip(self.dates, drawn, strict=True))
        self.people = make_user(), make_user(Role.APPROVER)
        self.books = Books(
            self.site.code,
            timezone,
            draws={nozzle: nozzle[1] for nozzle in NOZZLES},
            holds={1: "E10", 2: "B7"},
        )
        self.seals: dict[datetime.date, str] = {}

    def day(self, date: datetime.date) -> FiscalDay:
        return FiscalDay.objects.select_related("site").get(pk=(self.site.pk, date))

    def stated(self, date: datetime.date, drawn: dict[str, Any]) -> dict[str, Any]:
        """The values of an entry, from what was drawn."""
        begin = datetime.datetime.combine(
            datetime.date(1850, 1, 1) if drawn["is_old"] else date, datetime.time(), UTC
        )
        point, nozzle = drawn["device"]
        names = ("kind", "product", "amount", "volume", "tax_rate", "payment")
        return {
            **{name: drawn[name] for name in names},
            "occurred_at": begin + datetime.timedelta(seconds=drawn["second"]),
            "fuelling_point": point,
            "nozzle": nozzle,
            "tank": None,
            "volume_15c": None,
            "unit_price": None,
            "device_transaction": None,
            "totalizer": None,
            "offline": False,
        }

    def open(self, date: datetime.date) -> None:
        """Let a day come in, with all that was read and declared of it."""
        drawn = self.drawn[date]
        key = {"site": self.site, "fiscal_day": date}
        opened_at = datetime.datetime.combine(date, datetime.time(4), UTC)
        FiscalDay.objects.create(**key, opened_at=opened_at, last_sequence=NUMBERS_MAX)
        drafts, sequences = [], count(1)
        for each in drawn["entries"]:
            stated = self.stated(date, each)
            self.books.sides.append(Side(date, date, stated))
            drafts.append(self._draft(date, next(sequences), Action.ADD, stated))
        corrections_propose(drafts=drafts, author=self.people[0])
        self.books.days[date] = Day({}, {}, drawn["declared"])
        for (point, nozzle), (opening, through) in drawn["meters"].items():
            product = self.books.holds[nozzle]
            closing = None if through is None else (opening or Decimal(0)) + through - 5
            self.books.days[date].meters[point, nozzle] = (product, opening, closing)
            Totalizer.objects.create(
                **key, fuelling_point=point, nozzle=nozzle, product=product,
                opening=opening, closing=closing,
            )  # fmt: skip
        for tank, (opening, closing) in drawn["dips"].items():
            product = self.books.holds[tank]
            self.books.days[date].dips[tank] = (product, opening, closing)
            Dip.objects.create(
                **key, tank=tank, product=product, opening_volume=opening, closing_volume=closing
            )
        for product, (entries, volume, amount) in drawn["declared"].items():
            DeclaredTotal.objects.create(
                **key, product=product, count=entries, volume=volume, amount=amount
            )

    def _draft(
        self, date: datetime.date, sequence: int, action: Correction.Action, stated: Any
    ) -> Draft:
        now = effective_entry(site_id=self.site.pk, fiscal_day=date, sequence=sequence)
        return Draft(
            site=self.site,
            fiscal_day=date,
            sequence=sequence,
            action=action,
            reason=Correction.Reason.OTHER,
            note="drawn",
            values=stated,
            based_on=now.latest_revision,
        )

    def correct(self, date: datetime.date, sequence: int, drawn: dict[str, Any] | None) -> None:
        """Correct or void an entry, if the day has it and it is not void yet."""
        now = effective_entry(site_id=self.site.pk, fiscal_day=date, sequence=sequence).values
        if now is None and (drawn is None or sequence > len(self.drawn[date]["entries"])):
            return
        stated = None if drawn is None else self.stated(date, drawn)
        action = Action.VOID if drawn is None else Action.CORRECT
        made = correction_propose(
            draft=self._draft(date, sequence, action, stated), author=self.people[0]
        )
        if made.status == Correction.Status.PROPOSED:
            made = correction_approve(correction=made, decided_by=self.people[1])
        assert made.posted_to is not None
        event("posted to another day" if made.posted_to != date else "posted to its own day")
        for times, side in ((-1, now), (1, stated)):
            if side is not None:
                self.books.sides.append(
                    Side(date, made.posted_to, dict(side), times, is_correction=True)
                )

    def seal(self, date: datetime.date) -> None:
        """Seal a day, and see that its report before says what it says after."""
        self.compare(date)
        closed_at = datetime.datetime.combine(date, datetime.time(22), UTC)
        FiscalDay.objects.filter(pk=(self.site.pk, date)).update(closed_at=closed_at)
        explain_all(self.day(date), self.people[0])
        before = day_report(self.day(date))
        sealed(self.day(date), by=self.people)
        after = day_report(self.day(date))
        assert (before.is_final, after.is_final) == (False, True)
        assert before.seal.perpetual_total == after.seal.perpetual_total
        assert before.seal.previous_seal == after.seal.previous_seal
        assert after.seal.previous_seal == (
            self.seals[self.books.sealed[-1]] if self.books.sealed else ""
        )
        assert (before.totals, before.nozzles, before.dips) == (
            *(after.totals, after.nozzles, after.dips),
        )
        self.books.sealed.append(date)
        self.seals[date] = after.seal.seal
        self.compare(date)

    # --- what is compared -------------------------------------------------------------------------

    def compare(self, date: datetime.date) -> None:
        """Compare all that is said of a day with the model."""
        day = self.day(date)
        report = day_report(day)
        expected = self.books.lines(date)
        assert in_csv(report) == expected
        assert in_json(report) == expected
        assert period_report(sites=[self.site], first=date, last=date).currencies == [report.totals]
        if all(each in self.books.sealed for each in self.books.days if each < date):
            assert report.seal.perpetual_total == self.books.perpetual_total(date)
        compared = reconciliation(day)
        self._compare_pages(day, report, compared)
        self._compare_meters(day, report, compared)
        self._compare_tanks(day, compared)
        if day.sealed_at is not None:
            self._compare_document(day, expected)

    def compare_card(self) -> None:
        """Compare the site's card, which has its newest day."""
        [card] = site_rows([self.site])
        assert card.day is not None
        assert card.day.fiscal_day == self.dates[-1]
        turnover = self.books.turnover(self.dates[-1])
        assert (card.volume, card.amount) == (turnover.litres, turnover.gross)
        assert card.hours == day_summary(card.day).hours

    def _compare_pages(self, day: FiscalDay, report: DayReport, compared: Reconciliation) -> None:
        turnover = self.books.turnover(day.fiscal_day)
        summary = day_summary(day)
        assert figures_of(summary.turnover) == figures_of(report.totals.turnover)
        assert figures_of(summary.turnover) == plainly(turnover)
        days = turnover_of_days(site_id=self.site.pk, fiscal_days=[day.fiscal_day])
        assert days.get(day.fiscal_day, Measure()).amount == turnover.gross
        assert {hour: one for hour, one in enumerate(summary.hours) if one} == {
            line.hour: line.turnover.volume for line in report.totals.hours if line.turnover.volume
        }
        assert compared.products == summary.products
        earlier = sum((line.earlier for line in compared.products), Measure())
        assert (compared.effective + earlier).amount == turnover.gross
        for line in compared.products:
            declared = self.books.days[day.fiscal_day].declared
            own = [
                side
                for side in self.books.posted(day.fiscal_day)
                if side.day == day.fiscal_day and side.is_turnover
                and side.values["product"] == line.product
            ]  # fmt: skip
            assert line.effective.amount == sum(
                (side.times * side.values["amount"] for side in own), Decimal(0)
            )
            if not declared:
                assert (line.declared, line.difference) == (None, None)
                continue
            stated = declared.get(line.product, (0, Decimal(0), Decimal(0)))
            assert line.difference is not None
            assert line.difference.amount == stated[2] - line.effective.amount
        ends = {"first_day": day.fiscal_day, "last_day": day.fiscal_day}
        totals = ledger_totals(site_ids=frozenset([self.site.pk]), **ends)
        assert sum((one.turnover.amount for one in totals.currencies), Decimal(0)) == turnover.gross
        for product in (one for currency in totals.currencies for one in currency.products):
            [line] = [one for one in report.totals.products if one.product == product.product]
            assert figures_of(product.turnover) == figures_of(line.kinds.turnover)

    def _compare_meters(self, day: FiscalDay, report: DayReport, compared: Reconciliation) -> None:
        differences = {
            nozzle: self.books.meter_difference(day.fiscal_day, nozzle)
            for nozzle in self.books.days[day.fiscal_day].meters
        }
        of_meters = {(one.fuelling_point, one.nozzle): one for one in compared.wet_stock.nozzles}
        assert {nozzle: one.difference for nozzle, one in of_meters.items()} == differences
        in_report = [one for one in report.nozzles if one.meter is not None]
        assert {
            (one.fuelling_point, one.nozzle): one.difference for one in in_report
        } == differences
        for nozzle, one in of_meters.items():
            lines = [
                line for line in report.nozzles if (line.fuelling_point, line.nozzle) == nozzle
            ]
            assert sum((line.dispensed for line in lines), Decimal(0)) == one.recorded
            assert one.recorded == self.books.recorded(day.fiscal_day, nozzle)
        text = {
            f"{point}/{nozzle} {self.books.holds[nozzle]}": left
            for (point, nozzle), left in differences.items()
        }
        lines = [row for row in csv_rows(report) if row["kind"] == "metered_less_ledger"]
        told = {row["about"]: known(row["litres"]) for row in lines}
        assert {about: told[about] for about in text} == text
        assert not any(left for about, left in told.items() if about not in text)

    def _compare_tanks(self, day: FiscalDay, compared: Reconciliation) -> None:
        date = day.fiscal_day
        movements = {line.tank: line.movement for line in compared.wet_stock.tanks}
        trends = {
            trend.tank: line.movement
            for trend in stock_trend(site=self.site, first=date, last=date)
            for line in trend.lines
        }
        assert movements == trends
        assert set(movements) == set(self.books.days[date].dips)
        for tank, (_product, opening, closing) in self.books.days[date].dips.items():
            gave, tests = self.books.tank(date, tank)
            movement = movements[tank]
            assert (movement.metered, movement.tests) == (gave, tests)
            assert opening is not None
            assert movement.variance == (
                None if closing is None else closing - (opening - gave + tests)
            )

    def _compare_document(self, day: FiscalDay, expected: dict[Line, Figures]) -> None:
        """Add the lines of the sealed document up."""
        lines = DaySeal.objects.get(pk=day.pk).document.split("\n")[:-1]
        first, *body = (json.loads(line) for line in lines)
        assert Decimal(first[4]) == self.books.perpetual_total(day.fiscal_day)
        sums: defaultdict[Line, list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])

        def add(line: Line, figures: list[Any]) -> None:
            sums[line] = [a + b for a, b in zip(sums[line], figures, strict=True)]

        for what, *rest in body:
            if what == "total":
                product, kind, rate, entries, *decimals = rest
                payment = hour = None
            elif what == "posting":
                kind, product, rate, payment, hour = *rest[4:8], rest[11]
                entries, *decimals = rest[12:]
            elif what in ("payment", "hour"):
                key = payment_key(rest[0]) if what == "payment" else str(rest[0])
                kind_name = KINDS[rest[1]] if what == "payment" else "turnover"
                add((what, key, kind_name), [rest[-3], *map(Decimal, rest[-2:])])
                continue
            else:
                continue
            figures = [entries, *map(Decimal, decimals[:2])]
            rate = None if rate in (None, "-1.00") else Decimal(rate)
            add(("product", product, KINDS[kind]), figures)
            add(("total", "", KINDS[kind]), figures)
            if kind <= REFUND:
                add(("tax rate", rate_name(rate), "turnover"), figures)
            if what == "posting":
                add(("payment", payment_key(payment), KINDS[kind]), figures)
                if kind <= REFUND:
                    add(("hour", str(hour), "turnover"), figures)
        parts = {"product", "total", "tax rate", "payment", "hour"}
        assert {line: tuple(one) for line, one in sums.items() if any(one)} == {
            line: one[:3] for line, one in expected.items() if line[0] in parts and any(one[:3])
        }


def payment_key(payment: int | None) -> str:
    return Payment(payment).name.lower() if payment else "not_stated"


def figures_of(measure: Measure) -> Figures:
    figures = Figures(
        measure.count,
        measure.volume,
        measure.amount,
        measure.tax,
        measure.net,
        measure.gross_without_rate,
    )
    return plainly(figures)


def known(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def csv_rows(report: DayReport) -> list[dict[str, str]]:
    answer = report_files.csv_file("x", report_files.COLUMNS, report_files.day_rows(report))
    return list(csv.DictReader(io.StringIO(answer.text)))


def in_csv(report: DayReport) -> dict[Line, Figures]:
    """The lines of the report as CSV that say anything."""
    found = {}
    for row in csv_rows(report):
        if row["part"] in {"day", "perpetual total", "totalizer", "dip", "correction"}:
            continue
        figures = Figures(
            int(row["entries"]),
            Decimal(row["litres"]),
            Decimal(row["gross"]),
            *(known(row[name]) for name in ("tax", "net", "gross_without_rate")),
        )
        if not figures.is_nothing:
            found[row["part"], row["about"], row["kind"]] = plainly(figures)
    return found


def in_json(report: DayReport) -> dict[Line, Figures]:
    """The lines of the report as JSON that say anything."""
    told = json.loads(report_files.json_file("x", report).content)
    totals = told["totals"]
    found: dict[Line, dict[str, Any]] = {}

    def add(part: str, about: str, kinds: dict[str, Any]) -> None:
        for kind in KINDS.values():
            found[part, about, kind] = kinds[kind]

    add("total", "", totals["kinds"])
    add("moved by corrections", "", totals["moved"])
    for line in totals["products"]:
        add("product", line["product"], line["kinds"])
    for line in totals["sites"]:
        add("site", line["code"], line["kinds"])
    for line in totals["payments"]:
        add("payment", payment_key(line["payment"]), line["kinds"])
    for line in told["nozzles"]:
        point = "" if line["fuelling_point"] is None else line["fuelling_point"]
        add("nozzle", f"{point}/{line['nozzle']} {line['product']}", line["kinds"])
    for line in totals["taxes"]:
        rate = line["tax_rate"]
        found["tax rate", rate_name(None if rate is None else Decimal(rate)), "turnover"] = line[
            "turnover"
        ]
    for line in totals["hours"]:
        found["hour", str(line["hour"]), "turnover"] = line["turnover"]
    for line in totals["times"]:
        found["day or month", line["day"], "turnover"] = line["turnover"]
    figures = {
        line: Figures(
            one["entries"],
            Decimal(one["litres"]),
            Decimal(one["gross"]),
            *(known(one[name]) for name in ("tax", "net", "gross_without_rate")),
        )
        for line, one in found.items()
    }
    return {line: plainly(one) for line, one in figures.items() if not one.is_nothing}


@pytest.mark.django_db
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(
    timezone=st.sampled_from(ZONES),
    middle=st.sampled_from(MIDDLES),
    drawn=st.lists(days, min_size=3, max_size=3),
    before=changes,
    after=changes,
    is_late=st.booleans(),
)
def test_all_that_is_said_of_a_day_is_the_same(
    db: None,
    timezone: str,
    middle: datetime.date,
    drawn: list[dict[str, Any]],
    before: list[tuple[int, int, dict[str, Any] | None]],
    after: list[tuple[int, int, dict[str, Any] | None]],
    is_late: bool,
) -> None:
    # Services refuse to be inside of another transaction, but not of a savepoint.
    savepoint = transaction.savepoint()
    world = World(timezone, middle, drawn)
    first, second, third = world.dates
    came = [second, third] if is_late else [first, second, third]
    for date in came:
        world.open(date)
    for number, sequence, changed in before:
        if world.dates[number] in world.books.days:
            world.correct(world.dates[number], sequence, changed)
    if not is_late:
        world.seal(first)
    world.seal(second)
    if is_late:
        event("sealed out of order")
        world.open(first)
    for number, sequence, changed in after:
        world.correct(world.dates[number], sequence, changed)
    # What was sealed says what it said; what is not is compared as it is sealed.
    world.compare(second)
    if is_late:
        world.seal(first)
    world.seal(third)
    for date in world.dates:
        world.compare(date)
    world.compare_card()
    assert [str(fault) for fault in ledger_verify(sites=[world.site]).faults] == []
    transaction.savepoint_rollback(savepoint)
