"""Reports: of a period, of a fiscal day, of wet stock; on screen, as CSV and as JSON."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from console.models import Role
from ledger.models import (
    Correction,
    DayTotal,
    Delivery,
    Dip,
    FiscalDay,
    HourTotal,
    Kind,
    MonthSum,
    Payment,
    PaymentTotal,
    Site,
    Totalizer,
)
from ledger.selectors.measures import Measure
from ledger.selectors.reports import (
    BY_KIND_UNTAXED,
    UNTAXED,
    ByKind,
    CurrencyReport,
    PeriodReport,
    period_report,
)
from ledger.selectors.reports_day import day_report
from ledger.selectors.reports_stock import stock_trend
from ledger.selectors.wet_stock import wet_stock_of_day
from ledger.services.corrections import Draft, correction_approve, correction_propose
from ledger.services.days import day_close
from ledger.services.month_totals import months_sum_up
from tests.factories import make_day, make_entry, make_forecourt, make_site, make_user
from tests.sealing import explain_all, sealed

pytestmark = pytest.mark.django_db
DAY = datetime.date(2026, 11, 21)
TODAY = datetime.date(2026, 11, 24)
DAY_REPORT = "/sites/S1/days/2026-11-21/report/?"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user())
    return client


def shape(value: object) -> object:
    """What a report looks like whatever its figures are: JSON's names, and lists by length."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return type(value).__name__ if isinstance(value, list) else None


NOTHING = {
    "none()": lambda: Site.objects.none(),
    "an empty list": list,
    "an empty slice": lambda: Site.objects.all()[5:9],
    "a union of nothing": lambda: Site.objects.none().union(Site.objects.none()),
    "a filter that finds none": lambda: Site.objects.filter(code="NOBODY"),
}


@pytest.mark.parametrize("sites", NOTHING.values(), ids=list(NOTHING))
def test_no_site_is_zeros_and_never_everything(sites) -> None:
    make_day(make_site("S1"), fiscal_day="2026-11-21")
    report = period_report(sites=sites(), first=DAY, last=DAY)
    [nothing] = report.currencies
    assert nothing.kinds == ByKind()
    assert nothing.turnover == Measure()
    assert (nothing.currency, nothing.entries, nothing.fiscal_days) == ("", 0, 0)
    assert [line.kinds for line in nothing.payments] == [BY_KIND_UNTAXED] * (len(Payment) + 1)
    assert [line.turnover for line in nothing.hours] == [UNTAXED] * 24
    assert [(line.day, line.turnover) for line in nothing.times] == [(DAY, Measure())]
    assert (report.corrections, report.correction_count, report.site_count) == ([], 0, 0)
    assert stock_trend(site=None) == []


EVERYTHING = {
    "None": lambda: None,
    "all()": lambda: Site.objects.all(),
    "a slice": lambda: Site.objects.all()[:9],
    "a union": lambda: Site.objects.filter(code="S1").union(Site.objects.exclude(code="S1")),
    "a list": lambda: list(Site.objects.all()),
    "ids": lambda: {site.pk for site in Site.objects.all()},
}


@pytest.mark.parametrize("sites", EVERYTHING.values(), ids=list(EVERYTHING))
def test_sites_may_come_as_anything(sites) -> None:
    for code in ("S1", "S2"):
        make_day(make_site(code), fiscal_day="2026-11-21")
    [report] = period_report(sites=sites(), first=DAY, last=DAY).currencies
    assert report.turnover == Measure(
        count=6, volume=Decimal("194.442"), amount=Decimal("287.58"), tax=None
    )
    assert [line.code for line in report.sites] == ["S1", "S2"]


def test_no_day_and_no_entries_have_the_same_shape_with_zeros() -> None:
    site = make_site("S1")
    without = period_report(sites=[site], first=DAY, last=DAY).currencies[0]
    assert without.turnover == Measure()
    assert without.currency == "GBP"
    assert [line.code for line in without.sites] == ["S1"]
    assert period_report(sites=[site]).currencies[0].times == []
    day = make_day(site, fiscal_day="2026-11-21", entries=0)
    report = day_report(day)
    assert report.totals.turnover == Measure()
    assert (report.nozzles, report.deliveries, report.corrections) == ([], [], [])


def make_rates(site: Site) -> FiscalDay:
    day = make_day(site, fiscal_day="2026-11-21", entries=0)
    FiscalDay.objects.filter(pk=day.pk).update(entry_count=7)
    key = {"site": site, "fiscal_day": DAY}
    for product, kind, rate, count, volume, amount, tax in (
        ("E10", Kind.SALE, 20, 3, "90.000", "130.01", "21.67"),
        ("E10", Kind.REFUND, 20, 1, "-10.000", "-14.50", "-2.42"),
        ("E10", Kind.TEST, 20, 1, "20.000", "29.00", "4.83"),
        ("B7", Kind.DRIVE_OFF, 20, 1, "40.000", "60.00", "10.00"),
        ("SHOP", Kind.SALE, 5, 1, "0", "2.10", "0.10"),
        ("SHOP", Kind.SALE, -1, 1, "0", "1.00", "0"),
    ):
        DayTotal.objects.create(
            **key, product=product, kind=kind, tax_rate=rate, count=count, volume=volume,
            amount=amount, tax=tax,
        )  # fmt: skip
    PaymentTotal.objects.create(
        **key, payment=Payment.CARD, kind=Kind.SALE, count=5, volume=90, amount="133.11"
    )
    PaymentTotal.objects.create(
        **key, payment=0, kind=Kind.REFUND, count=1, volume=-10, amount="-14.50"
    )
    HourTotal.objects.create(**key, hour=23, count=6, volume=80, amount="118.61")
    return day


def test_net_and_tax_add_up_to_gross_by_rate_where_one_is_stated() -> None:
    make_rates(make_site("S1"))
    [report] = period_report(first=DAY, last=DAY).currencies
    assert [
        (line.tax_rate, line.turnover.net, line.turnover.tax, line.turnover.amount)
        for line in report.taxes
    ] == [
        (20, Decimal("96.26"), Decimal("19.25"), Decimal("115.51")),
        (5, Decimal("2.00"), Decimal("0.10"), Decimal("2.10")),
        (None, None, None, Decimal("1.00")),
    ]
    whole = report.turnover
    assert (whole.net, whole.tax) == (Decimal("98.26"), Decimal("19.35"))
    assert whole.gross_without_rate == Decimal("1.00")
    (shop,) = (line.kinds.sales for line in report.products if line.product == "SHOP")
    assert (shop.net, shop.tax, shop.amount) == (Decimal("2.00"), Decimal("0.10"), Decimal("3.10"))
    assert report.turnover.amount == sum(line.turnover.amount for line in report.taxes)
    assert report.turnover.amount == sum(line.kinds.turnover.amount for line in report.payments)
    assert report.turnover.amount == sum(line.turnover.amount for line in report.hours)
    assert report.turnover.amount == sum(line.turnover.amount for line in report.times)
    assert report.kinds.tests.volume == 20
    assert report.kinds.drive_offs.amount == 60


def test_currencies_are_never_added_to_each_other() -> None:
    make_day(make_site("S1"), fiscal_day="2026-11-21")
    make_day(make_site("S2", currency="CZK"), fiscal_day="2026-11-21", entries=1)
    found = period_report(first=DAY, last=DAY).currencies
    assert {one.currency: one.turnover.count for one in found} == {"GBP": 3, "CZK": 1}


def post(site: Site, *, to: datetime.date, side: int, amount: str, payment: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO correction_posting (site_id, fiscal_day, sequence, revision, side, "
            "posted_to, kind, product, tax_rate, payment, hour, count, volume, amount, tax) "
            "VALUES (%s, '2026-10-01', 1, 1, %s, %s, 1, 'E10', 20, %s, 12, %s, %s, %s, %s)",
            [site.pk, side, to, payment, side, side * 10, amount, side],
        )


def test_corrections_count_on_the_day_that_they_are_posted_to() -> None:
    site = make_site("S1")
    make_day(site, fiscal_day="2026-11-21")
    post(site, to=DAY, side=-1, amount="-50.00", payment=1)
    post(site, to=DAY, side=1, amount="55.00", payment=2)
    [report] = period_report(first=DAY, last=DAY).currencies
    assert report.turnover.amount == Decimal("148.79")
    assert report.moved.turnover.amount == Decimal("5.00")
    paid = {line.payment: line.kinds.sales.amount for line in report.payments}
    assert (paid[Payment.CASH], paid[Payment.CARD], paid[None]) == (
        Decimal("-50.00"),
        Decimal("55.00"),
        Decimal("143.79"),
    )
    before = datetime.date(2026, 11, 20)
    assert period_report(first=before, last=before).currencies[0].moved == ByKind()


def test_an_hour_of_nothing_but_a_corrected_amount_is_shown(staff: Client) -> None:
    site = make_site("S1")
    make_day(site, fiscal_day="2026-11-21", entries=0)
    post(site, to=DAY, side=-1, amount="-50.00", payment=1)
    post(site, to=DAY, side=1, amount="55.00", payment=1)
    text = " ".join(staff.get(DAY_REPORT).text.split())
    assert re.search(r'<th scope="row">12:00</th> <td class="is-figure">0</td> .*?£5\.00', text)
    assert "13:00" not in text


def by_day(first: datetime.date, last: datetime.date) -> Measure:
    days = (last - first).days + 1
    return sum(
        (
            period_report(first=day, last=day).currencies[0].turnover
            for day in (first + datetime.timedelta(days=n) for n in range(days))
            if DayTotal.objects.filter(fiscal_day=day).exists()
        ),
        Measure(),
    )


def test_a_long_period_is_the_sum_of_its_days_also_after_a_late_entry() -> None:
    site = make_site("S1")
    for day in ("2026-06-30", "2026-07-01", "2026-07-31", "2026-08-15", "2026-11-01"):
        make_day(site, fiscal_day=day)
    first, last = datetime.date(2026, 6, 30), datetime.date(2026, 11, 2)

    def check() -> PeriodReport:
        months = months_sum_up(first=first, last=last, today=TODAY)
        assert months == (datetime.date(2026, 7, 1), datetime.date(2026, 11, 1))
        report = period_report(first=first, last=last, months=months)
        assert report == period_report(first=first, last=last)
        [one] = report.currencies
        assert report.is_by_month
        assert one.turnover == by_day(first, last)
        assert one.turnover.count == sum(line.turnover.count for line in one.times)
        assert one.turnover.count == sum(line.turnover.count for line in one.hours)
        assert one.turnover.amount == sum(line.kinds.turnover.amount for line in one.payments)
        return report

    check()
    months = MonthSum.objects.values_list("month", "entries").order_by("month")
    assert list(months) == [
        (datetime.date(2026, 7, 1), 6),
        (datetime.date(2026, 8, 1), 3),
    ]
    # One more entry comes into a month that was summed up.
    key = {"site": site, "fiscal_day": "2026-07-31"}
    for model in (DayTotal, PaymentTotal, HourTotal):
        model.objects.filter(**key).update(count=4, amount=Decimal("191.72"))
    FiscalDay.objects.filter(**key).update(entry_count=4)
    assert check().currencies[0].turnover.count == 16
    assert MonthSum.objects.get(month="2026-07-01").entries == 7


def test_a_period_without_ends_is_everything() -> None:
    make_day(make_site("S1"), fiscal_day="2020-02-29")
    make_day(make_site("S2"), fiscal_day="2026-11-21")
    for first, last, count in ((None, None, 6), (DAY, None, 3), (None, DAY, 6)):
        months = months_sum_up(first=first, last=last, today=TODAY)
        report = period_report(first=first, last=last, months=months)
        assert report == period_report(first=first, last=last)
        assert report.currencies[0].turnover.count == count


def test_a_report_alone_writes_nothing() -> None:
    make_day(make_site("S1"), fiscal_day="2026-08-15")
    first = datetime.date(2026, 6, 30)
    assert period_report(first=first, last=TODAY).currencies[0].turnover.count == 3
    assert not MonthSum.objects.exists()
    months_sum_up(first=first, last=TODAY, today=TODAY)
    assert MonthSum.objects.get().entries == 3


@pytest.mark.parametrize(
    ("first", "last"), [("2026-11-01", "2026-11-20"), ("2026-11-02", "2027-11-20")]
)
def test_short_and_late_periods_have_no_months_to_sum_up(first: str, last: str) -> None:
    ends = {"first": datetime.date.fromisoformat(first), "last": datetime.date.fromisoformat(last)}
    assert months_sum_up(**ends, today=TODAY) is None


def test_what_a_z_report_holds(staff: Client) -> None:
    site = make_forecourt("S1")
    opened = datetime.datetime(2026, 11, 21, 5, tzinfo=datetime.UTC)
    day = make_day(
        site, fiscal_day="2026-11-21", opened_at=opened, closed_at=opened.replace(hour=23),
        last_sequence=4, entries=0, entry_count=3, highest_sequence=4,
    )  # fmt: skip
    for sequence, kind in ((1, Kind.SALE), (2, Kind.SALE), (4, Kind.TEST)):
        make_entry(site, sequence=sequence, fiscal_day="2026-11-21", kind=kind, fuelling_point=1,
                   nozzle=1)  # fmt: skip
    Totalizer.objects.create(
        site=site, fiscal_day=DAY, fuelling_point=1, nozzle=1, product="E10", opening=100,
        closing=Decimal("197.221"),
    )  # fmt: skip
    Delivery.objects.create(
        site=site, tank=1, at=opened.replace(hour=9), product="E10", volume=15000,
        document="D-7", received_at=opened,
    )  # fmt: skip
    report = day_report(day)
    [line] = report.nozzles
    assert (line.kinds.sales.count, line.kinds.tests.count) == (2, 1)
    assert (line.metered, line.difference) == (Decimal("97.221"), 0)
    assert [one.document for one in report.deliveries] == ["D-7"]
    text = " ".join(staff.get("/sites/S1/days/2026-11-21/report/").text.split())
    assert "X report" in text
    for words in ("D-7", "197.221", "Perpetual total", "Chain of seals", "half away from zero"):
        assert words in text


@pytest.fixture
def two_sealed_days() -> tuple[FiscalDay, FiscalDay, FiscalDay]:
    """Two sealed days of a site with three and one sales of 47.93, and an open one with two."""
    site = make_forecourt("S1")
    first = make_day(site, fiscal_day="2026-11-20")
    second = make_day(site, fiscal_day="2026-11-21", entries=1)
    by = make_user(), make_user(Role.APPROVER)
    first, second = sealed(first, by=by), sealed(second, by=by)
    return first, second, make_day(site, fiscal_day="2026-11-22", entries=2)


def test_a_z_report_tells_of_its_seal_and_of_the_one_before(
    staff: Client, two_sealed_days: tuple[FiscalDay, FiscalDay, FiscalDay]
) -> None:
    first, second, still_open = (day_report(day) for day in two_sealed_days)
    assert (first.is_final, second.is_final, still_open.is_final) == (True, True, False)
    assert [one.seal.z_number for one in (first, second, still_open)] == [1, 2, None]
    assert [one.seal.perpetual_total for one in (first, second, still_open)] == [
        Decimal("143.79"),
        Decimal("191.72"),
        # What is not sealed yet is in an X report's total all the same.
        Decimal("287.58"),
    ]
    assert (first.seal.previous_seal, first.seal.seal) == ("", two_sealed_days[0].seal_hex)
    assert second.seal.previous_seal == first.seal.seal != second.seal.seal
    assert (still_open.seal.previous_seal, still_open.seal.seal) == (second.seal.seal, "")
    text = " ".join(staff.get("/sites/S1/days/2026-11-21/report/").text.split())
    for words in ("Z report No. 2", "191.72", first.seal.seal, second.seal.seal):
        assert words in text


def test_an_x_report_follows_the_chain_and_not_the_calendar(
    staff: Client, two_sealed_days: tuple[FiscalDay, FiscalDay, FiscalDay]
) -> None:
    """A day that the ledger hears of late is sealed behind the days after it."""
    _first, second, still_open = two_sealed_days
    late = make_day(second.site, fiscal_day="2026-11-19", entries=1)
    report = day_report(late).seal
    assert (report.previous_seal, report.waiting_days) == (second.seal_hex, 0)
    assert report.perpetual_total == Decimal("239.65")
    # The seal before that of the open day will be the late one's, which nobody knows yet.
    waits = day_report(still_open).seal
    assert (waits.previous_seal, waits.waiting_days) == ("", 1)
    text = " ".join(staff.get("/sites/S1/days/2026-11-22/report/").text.split())
    assert "One earlier day is to be sealed before this one." in text
    late = sealed(late, by=(make_user(), make_user(Role.APPROVER)))
    after = day_report(FiscalDay.objects.get(pk=late.pk)).seal
    assert (after.z_number, after.previous_seal) == (3, report.previous_seal)
    assert after.perpetual_total == report.perpetual_total
    then = day_report(still_open).seal
    assert (then.previous_seal, then.waiting_days) == (late.seal_hex, 0)
    assert then.perpetual_total == waits.perpetual_total


def test_a_delivery_told_of_after_the_seal_is_not_of_the_sealed_day() -> None:
    site = make_forecourt("S1")
    opened = datetime.datetime(2026, 11, 21, 5, tzinfo=datetime.UTC)
    day = make_day(site, fiscal_day="2026-11-21", opened_at=opened)
    Dip.objects.create(
        site=site, fiscal_day=DAY, tank=1, product="E10", opening_volume=900, closing_volume=850
    )
    told = {"site": site, "product": "E10", "volume": Decimal(100)}
    in_time = opened.replace(hour=9)
    Delivery.objects.create(**told, tank=1, at=in_time, received_at=in_time)
    day = sealed(day)
    late = timezone.now() + datetime.timedelta(hours=1)
    Delivery.objects.create(**told, tank=1, at=opened.replace(hour=10), received_at=late)
    assert [one.at for one in day_report(day).deliveries] == [in_time]
    [line] = wet_stock_of_day(day).tanks
    assert line.movement.delivered == 100


def test_a_delivery_counts_for_one_day_though_the_one_before_is_closed_late() -> None:
    site, staff = make_forecourt("S1"), make_user()
    days = []
    for number in (20, 21):
        opened = datetime.datetime(2026, 11, number, 5, tzinfo=datetime.UTC)
        days.append(make_day(site, fiscal_day=f"2026-11-{number}", opened_at=opened))
        Delivery.objects.create(
            site=site, tank=1, at=opened, product="E10", volume=100, received_at=opened
        )
    first, second = days

    def delivered() -> list[list[int]]:
        reports = (day_report(FiscalDay.objects.get(pk=day.pk)) for day in days)
        return [[one.at.day for one in report.deliveries] for report in reports]

    assert delivered() == [[20], [21]]
    day_close(day=first, closed_by=staff, reason="The controller is broken")
    assert delivered() == [[20], [21]]
    explain_all(FiscalDay.objects.get(pk=first.pk), staff)
    sealed(FiscalDay.objects.get(pk=first.pk))
    assert delivered() == [[20], [21]]
    sealed(second)
    assert delivered() == [[20], [21]]


def test_a_z_report_stays_as_it_is_when_its_day_is_corrected(
    staff: Client, two_sealed_days: tuple[FiscalDay, FiscalDay, FiscalDay]
) -> None:
    def told(day: FiscalDay, form: str) -> str:
        text = staff.get(f"/sites/S1/days/{day.fiscal_day}/report/?format={form}").text
        # Only when the report was made differs.
        plain, times = re.subn(r'("made_at": "|made_at,)[^",]+', "", text)
        assert times == 1
        return plain

    def amount(day: FiscalDay) -> Decimal:
        return day_report(day).totals.turnover.amount

    first, second, still_open = two_sealed_days
    before = [told(day, form) for day in (first, second) for form in ("json", "csv")]
    assert amount(still_open) == Decimal("95.86")
    correction = correction_propose(
        draft=Draft(
            site=first.site,
            fiscal_day=first.fiscal_day,
            sequence=2,
            action=Correction.Action.VOID,
            reason=Correction.Reason.SOLD_TWICE,
        ),
        author=make_user(),
    )
    correction_approve(correction=correction, decided_by=make_user(Role.APPROVER))
    after = [told(day, form) for day in (first, second) for form in ("json", "csv")]
    assert after == before
    report = day_report(still_open)
    assert report.totals.turnover.amount == Decimal("47.93")
    assert report.totals.moved.turnover.amount == Decimal("-47.93")
    assert [(one.fiscal_day, one.sequence) for one in report.corrections] == [(first.fiscal_day, 2)]
    assert report.seal.perpetual_total == Decimal("239.65")


@pytest.mark.parametrize(
    "path",
    [
        "/reports/period/?first=2026-11-01&last=2026-11-30",
        "/sites/S1/days/2026-11-21/report/?x=1",
        "/reports/stock/?first=2026-11-01&last=2026-11-30&site=S1",
    ],
)
def test_csv_and_json_have_what_the_page_shows(staff: Client, path: str) -> None:
    site = make_forecourt("S1")
    make_rates(site)
    Dip.objects.create(
        site=site, fiscal_day=DAY, tank=1, product="E10", opening_volume=9000, closing_volume=8900
    )
    assert staff.get(path).status_code == 200
    answer = staff.get(f"{path}&format=csv")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    told = json.loads(staff.get(f"{path}&format=json").content)
    if "stock" in path:
        assert rows[0]["variance_l"] == "-100.000"
        assert told["tanks"][0]["lines"][0]["movement"]["variance"] == "-100.000"
        return
    totals = told["currencies"][0] if "currencies" in told else told["totals"]
    assert totals["turnover"] == {
        "entries": 6, "litres": "80.000", "gross": "118.61", "tax": "19.35", "net": "98.26",
        "gross_without_rate": "1.00",
    }  # fmt: skip
    rates = {row["about"]: row for row in rows if row["part"] == "tax rate"}
    assert (rates["20.00"]["net"], rates["not stated"]["gross"]) == ("96.26", "1.00")


def test_a_tax_that_nobody_knows_is_no_zero(staff: Client) -> None:
    make_rates(make_site("S1"))
    for path in ("/reports/period/?first=2026-11-21&last=2026-11-21", DAY_REPORT.rstrip("&")):
        rows = csv.DictReader(io.StringIO(staff.get(f"{path}&format=csv").text))
        unknown = [row for row in rows if (row["part"], row["about"]) == ("tax rate", "not stated")]
        assert [(row["tax"], row["net"], row["gross_without_rate"]) for row in unknown] == [
            ("", "", "")
        ]
        told = json.loads(staff.get(f"{path}&format=json").content)
        totals = told["currencies"][0] if "currencies" in told else told["totals"]
        by_rate = {line["tax_rate"]: line["turnover"] for line in totals["taxes"]}
        assert (by_rate[None]["tax"], by_rate[None]["net"]) == (None, None)
        # Taxes are not kept by payment and by hour, whether anything was sold or not.
        sold = [line["turnover"] for line in totals["hours"]]
        sold += [line["kinds"]["sales"] for line in totals["payments"]]
        assert {(one["tax"], one["net"], one["gross_without_rate"]) for one in sold} == {
            (None, None, None)
        }
        page = staff.get(path).text
        row = page[page.index("Not stated") :]
        assert row[: row.index("</tr>")].count("\N{EN DASH}") == 2
        assert "£1.00 of the gross turnover was recorded without a tax rate" in " ".join(
            page.split()
        )


def test_a_product_cannot_smuggle_a_formula_into_a_spreadsheet(staff: Client) -> None:
    site = make_site("S1")
    make_day(site, fiscal_day="2026-11-21")
    DayTotal.objects.filter(site=site).update(product="=HYPERLINK(1)")
    text = staff.get("/reports/period/?first=2026-11-21&last=2026-11-21&format=csv").text
    assert ",'=HYPERLINK(1)," in text


def test_a_cell_without_a_value_is_empty(staff: Client) -> None:
    make_rates(make_site("S1"))
    for path in ("/reports/period/?first=2026-11-21&last=2026-11-21&", DAY_REPORT):
        rows = list(csv.reader(io.StringIO(staff.get(f"{path}format=csv").text)))
        assert any("" in row for row in rows)
        assert not any("'" in row for row in rows)


def test_wet_stock_returns_tests_to_the_tank() -> None:
    site = make_forecourt("S1")
    opened = datetime.datetime(2026, 11, 21, 5, tzinfo=datetime.UTC)
    make_day(site, fiscal_day="2026-11-21", entries=0, opened_at=opened,
             closed_at=opened.replace(hour=22))  # fmt: skip
    for sequence, kind in ((1, Kind.SALE), (2, Kind.TEST), (3, Kind.DRIVE_OFF)):
        make_entry(site, fiscal_day="2026-11-21", sequence=sequence, kind=kind, tank=1)
    Dip.objects.create(
        site=site, fiscal_day=DAY, tank=1, product="E10", opening_volume=9000,
        closing_volume=10000,
    )  # fmt: skip
    Delivery.objects.create(
        site=site, tank=1, at=opened, product="E10", volume=1000, received_at=opened
    )
    [trend] = stock_trend(site=site, first=DAY, last=DAY)
    [line] = trend.lines
    assert line.movement.throughput == Decimal("64.814")
    assert line.movement.book == Decimal("9935.186")
    assert (line.movement.variance, trend.total.litres) == (Decimal("64.814"),) * 2


def test_the_trend_of_a_month_is_what_the_reconciliation_of_its_last_day_says() -> None:
    site = make_forecourt("S1")
    opening = Decimal(9000)
    for number, closing in ((20, "8960.500"), (21, "9900.000"), (22, "9870.250")):
        opened = datetime.datetime(2026, 11, number, 5, tzinfo=datetime.UTC)
        day = make_day(
            site, fiscal_day=opened.date().isoformat(), entries=0, opened_at=opened,
            closed_at=opened.replace(hour=22),
        )  # fmt: skip
        # Of no tank but through a nozzle of it; tested; refunded, which brings no fuel back.
        by_nozzle = {"tank": None, "fuelling_point": 1, "nozzle": 1}
        for sequence, kind, where in (
            (1, Kind.SALE, by_nozzle), (2, Kind.TEST, {"tank": 1}), (3, Kind.REFUND, {"tank": 1}),
        ):  # fmt: skip
            make_entry(
                site, fiscal_day=opened.date().isoformat(), sequence=sequence, kind=kind, **where
            )
        Dip.objects.create(
            site=site, fiscal_day=opened.date(), tank=1, product="E10", opening_volume=opening,
            closing_volume=Decimal(closing),
        )  # fmt: skip
        opening = Decimal(closing)
    Delivery.objects.create(
        site=site, tank=1, at="2026-11-21T09:00Z", product="E10", volume=1000,
        received_at="2026-11-21T09:00Z",
    )  # fmt: skip
    [trend] = stock_trend(site=site, first=DAY.replace(day=1), last=day.fiscal_day)
    [tank] = wet_stock_of_day(day).tanks
    assert trend.lines[-1].movement == tank.movement
    assert trend.total == tank.month
    assert stock_trend(site=site) == [trend]
    assert (trend.total.days, trend.total.throughput) == (3, 3 * Decimal("32.407"))


def test_each_tank_has_a_chart_of_its_variances(staff: Client) -> None:
    site = make_forecourt("S1")
    for number, closing in ((20, 9020), (21, 8990), (22, None)):
        make_day(site, fiscal_day=f"2026-11-{number}", entries=0)
        Dip.objects.create(
            site=site, fiscal_day=f"2026-11-{number}", tank=1, product="E10", opening_volume=9000,
            closing_volume=closing,
        )  # fmt: skip
    text = staff.get("/reports/stock/?first=2026-11-01&last=2026-11-30&site=S1").text
    (chart,) = re.findall(r"<svg\s+class=\"columns__canvas\".*?</svg>", text, re.DOTALL)
    assert 'aria-label="Variance of tank 1 by fiscal day, litres"' in chart
    (outline,) = re.findall(r'class="columns__bar" d="([^"]*)"', chart)
    # A gain stands on zero and a loss hangs from it; the day without a closing dip is a gap.
    assert outline.count("M") == 2


def test_a_manager_reports_their_own_sites_alone(client: Client) -> None:
    own = make_site("OWN")
    make_day(own, fiscal_day="2026-11-21", entries=1)
    make_day(make_site("OTHER"), fiscal_day="2026-11-21", entries=9)
    client.force_login(make_user(Role.MANAGER, own))
    period = "/reports/period/?first=2026-11-21&last=2026-11-21"
    told = json.loads(client.get(f"{period}&format=json").content)
    assert [site["code"] for site in told["currencies"][0]["sites"]] == ["OWN"]
    assert client.get(f"{period}&sites=OTHER").status_code == 422
    assert client.get("/sites/OTHER/days/2026-11-21/report/").status_code == 404
    assert client.get("/reports/stock/?site=OTHER").status_code == 422
    assert client.get("/reports/export/?sites=OTHER").status_code == 422
    found = client.get("/reports/day/?fiscal_day=2026-11-21&site=OTHER")
    assert (found.status_code, "You see no site of this code" in found.text) == (422, True)
    assert "OTHER" not in client.get("/reports/").text


def test_a_stock_report_that_nobody_asked_for_blames_nobody(staff: Client) -> None:
    page = staff.get("/reports/stock/")
    assert page.status_code == 200
    assert "Please check this" not in page.text
    assert staff.get("/reports/stock/?site=").status_code == 422


def test_any_day_s_report_is_found_by_its_day_and_site(staff: Client) -> None:
    make_day(make_site("S1"), fiscal_day="2019-02-28")
    found = staff.get("/reports/day/?fiscal_day=2019-02-28&site=S1")
    assert (found.status_code, found["Location"]) == (302, "/sites/S1/days/2019-02-28/report/")
    for query, words in (
        ("fiscal_day=2019-03-01&site=S1", "The site has no such fiscal day."),
        ("fiscal_day=2019-02-30&site=S1", "Enter a valid date."),
        ("", "This field is required."),
    ):
        answer = staff.get(f"/reports/day/?{query}")
        assert (answer.status_code, words in answer.text) == (422, True)


@pytest.mark.parametrize("role", [Role.STAFF, Role.APPROVER, Role.AUDITOR, Role.ADMINISTRATOR])
def test_who_sees_all_sites_reports_all(client: Client, role: Role) -> None:
    make_day(make_site("S1"), fiscal_day="2026-11-21")
    client.force_login(make_user(role))
    told = client.get("/reports/period/?first=2026-11-21&last=2026-11-21&format=json").content
    assert json.loads(told)["currencies"][0]["entries"] == 3


def test_the_frontend_role_reports_zeros(client: Client) -> None:
    make_day(make_site("S1"), fiscal_day="2026-11-21")
    client.force_login(make_user(Role.FRONTEND))
    told = client.get("/reports/period/?first=2026-11-21&last=2026-11-21&format=json").content
    [nothing] = json.loads(told)["currencies"]
    assert nothing["turnover"]["gross"] == "0"


def test_everything_empty_is_a_currency_report() -> None:
    assert period_report().currencies[0].turnover == CurrencyReport().turnover


@pytest.mark.parametrize(
    "path", ["/reports/period/", "/reports/export/", "/reports/stock/?site=S1"]
)
def test_a_period_has_a_greatest_length(client: Client, path: str) -> None:
    make_forecourt("S1")
    client.force_login(make_user())
    for first, last in (
        ("0001-01-01", "8026-01-01"),
        ("0001-01-01", ""),
        ("2000-01-01", "2026-11-21"),
    ):
        separator = "&" if "?" in path else "?"
        answer = client.get(f"{path}{separator}first={first}&last={last}")
        assert answer.status_code == 422, (first, last)
        assert "A period has at most 10 years." in answer.text
