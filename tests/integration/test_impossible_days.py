"""Days that cannot be, in a ledger from before they were refused: they stay, and spoil nothing."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from console.models import Role
from ledger.models import (
    DayTotal,
    Delivery,
    Dip,
    Entry,
    FiscalDay,
    HourTotal,
    Kind,
    NozzleState,
    PaymentTotal,
    PointSilence,
    Site,
    Totalizer,
)
from ledger.models.day import NO_TAX_RATE
from ledger.plausible import plausible_span
from ledger.selectors.attention import Topic, attention
from ledger.selectors.days import day_neighbours, latest_days, site_days
from ledger.selectors.deliveries import deliveries_in_days
from ledger.selectors.figures import turnover_of_days
from ledger.selectors.forecourt import bays
from ledger.selectors.measures import Measure
from ledger.selectors.pace import day_by_hour, usual_hours
from ledger.selectors.reports import period_report
from ledger.selectors.reports_day import day_report
from ledger.selectors.reports_stock import stock_trend
from ledger.selectors.resends import incomplete_days
from ledger.selectors.sealing import days_to_seal, first_unsealed
from ledger.selectors.silence import JUDGE_SILENCES, judge_parameters, silences_known
from ledger.selectors.sites import current_days, site_rows
from ledger.selectors.totals import site_volumes, today_totals
from ledger.services.corrections import CorrectionError, Draft, correction_propose, posting_day
from ledger.services.month_totals import period_report_summed_up
from ledger.services.sealing import seal_obstacles
from ledger.verification import ledger_verify
from tests.factories import make_forecourt, make_status, make_user
from tests.sealing import explain_all, sealed

pytestmark = pytest.mark.django_db

IMPOSSIBLE = ("0001-01-01", "1970-01-01", "2000-01-01", "2099-06-01", "9999-12-31")
ZONES = ("Europe/London", "Pacific/Kiritimati", "Pacific/Niue")
ONE_DAY = datetime.timedelta(days=1)
#: What an answer about such a ledger may have; a report of all of the calendar had 41 MB.
BYTES_MAX = 500_000


def make_day(site: Site, day: datetime.date, *, entries: int = 2, **values: Any) -> FiscalDay:
    """Make a day with all that hangs on one, its times as near to it as times may be."""
    near = min(max(day.year, 2), 9998)
    noon = datetime.datetime.combine(day.replace(year=near), datetime.time(12), site.zone)
    times = {"opened_at": noon, "last_entry_at": noon, "last_received_at": timezone.now()}
    counts = {"entry_count": entries, "highest_sequence": entries}
    found = FiscalDay.objects.create(site=site, fiscal_day=day, **times | counts | values)
    key: dict[str, Any] = {"site": site, "fiscal_day": day}
    one = {"volume": Decimal("10.000"), "amount": Decimal("15.00")}
    for sequence in range(1, entries + 1):
        Entry.objects.create(
            **key, **one, sequence=sequence, kind=Kind.SALE, occurred_at=noon, received_at=noon,
            product="E10", unit_price=Decimal("1.5"), fuelling_point=1, nozzle=1, tank=1,
        )  # fmt: skip
    sums = {"count": entries, **{name: entries * value for name, value in one.items()}}
    DayTotal.objects.create(
        **key, **sums, product="E10", kind=Kind.SALE, tax_rate=NO_TAX_RATE, tax=Decimal(0)
    )
    PaymentTotal.objects.create(**key, **sums, payment=0, kind=Kind.SALE)
    HourTotal.objects.create(**key, **sums, hour=12)
    Dip.objects.create(
        **key, tank=1, product="E10", opening_volume=Decimal(9000), closing_volume=Decimal(8980)
    )
    Totalizer.objects.create(
        **key, fuelling_point=1, nozzle=1, product="E10", opening=Decimal(0), closing=Decimal(20)
    )
    return found


@pytest.fixture(params=ZONES)
def site(request: pytest.FixtureRequest) -> Site:
    """A site with all those days beside a sealed one and the one that is open now."""
    today = timezone.now().astimezone(ZoneInfo(request.param)).date()
    site = make_forecourt(
        "S1", timezone=request.param, first_fiscal_day=today - 30 * ONE_DAY, cutoff="23:59"
    )
    make_status(site)
    for day in IMPOSSIBLE:
        make_day(site, datetime.date.fromisoformat(day))
    sealed(make_day(site, today - ONE_DAY))
    make_day(site, today, opened_at=timezone.now())
    for nozzle, day in ((1, "2099-06-01"), (2, today.isoformat())):
        NozzleState.objects.create(
            site=site, fuelling_point=1, nozzle=nozzle, fiscal_day=day, sequence=nozzle,
            occurred_at=timezone.now(), product="E10", volume=10, amount=15, totalizer=20,
        )  # fmt: skip
    Delivery.objects.create(
        site=site, tank=1, at=datetime.datetime(9998, 12, 31, 23, tzinfo=datetime.UTC),
        product="E10", volume=Decimal(1000), document="", received_at=timezone.now(),
    )  # fmt: skip
    return site


@pytest.fixture
def today(site: Site) -> FiscalDay:
    return latest_days(site, limit=1)[0]


def day_of(site: Site, day: str) -> FiscalDay:
    return FiscalDay.objects.select_related("site").get(pk=(site.pk, day))


class TestTheCurrentDay:
    def test_it_is_the_real_one_everywhere(self, site: Site, today: FiscalDay) -> None:
        now = timezone.now()
        assert today.fiscal_day == now.astimezone(site.zone).date()
        assert current_days([site])[site.pk] == today
        assert [row.day for row in site_rows([site])] == [today]
        assert [(one.volume, one.sites) for one in today_totals()] == [(20, 1)]
        assert site_volumes() == {site.pk: 20}
        before, after = day_neighbours(day_of(site, str(today.fiscal_day)))
        assert (before and before.fiscal_day, after) == (today.fiscal_day - ONE_DAY, None)
        by_hour = day_by_hour(site, today)
        assert by_hour.today.volume == 20
        assert incomplete_days(site, before=today.fiscal_day) == []

    def test_the_impossible_ones_keep_their_place(self, site: Site) -> None:
        days, _ = site_days(site)
        assert {str(day.fiscal_day) for day in days} >= set(IMPOSSIBLE)
        dates = [day.fiscal_day for day in days]
        assert len(turnover_of_days(site_id=site.pk, fiscal_days=dates)) == len(days) == 7
        for day in IMPOSSIBLE:
            found = day_of(site, day)
            assert day_report(found).totals.turnover.volume == 20
            assert day_by_hour(site, found).today.volume == 20
            assert usual_hours(site, before=found.fiscal_day).day_count == 0


def test_a_day_that_cannot_be_takes_no_delivery_of_the_real_one(
    site: Site, today: FiscalDay
) -> None:
    # A controller with a right clock and a wrong calendar opened the day of 2099 just now.
    FiscalDay.objects.filter(fiscal_day__in=IMPOSSIBLE[::3]).update(opened_at=timezone.now())
    at = timezone.now()
    Delivery.objects.create(
        site=site, tank=2, at=at, product="B7", volume=Decimal(500), document="", received_at=at
    )
    found = deliveries_in_days(site.pk, first=today.fiscal_day, last=today.fiscal_day)
    assert 2 in [delivery.tank for delivery in found]
    assert not deliveries_in_days(
        site.pk, first=datetime.date(2099, 6, 1), last=datetime.date(2099, 6, 1)
    )


def test_a_point_s_last_sale_is_a_real_one(site: Site, today: FiscalDay) -> None:
    (point, _other) = bays(site, day=today)[0].fuelling_points
    assert point.last_sale is not None
    assert point.last_sale.fiscal_day == today.fiscal_day


def test_only_what_is_really_amiss_asks_for_attention(site: Site) -> None:
    found = attention(Site.objects.all())
    assert [each for each in found.troubles if each.topic in (Topic.OPEN_DAY, Topic.MISSING)] == []


def test_silences_are_judged_by_real_days(site: Site, today: FiscalDay) -> None:
    NozzleState.objects.filter(nozzle=2).delete()
    with connection.cursor() as cursor:
        cursor.execute(JUDGE_SILENCES, judge_parameters(timezone.now()))
    assert not PointSilence.objects.exists()
    # What is known of a silence does not end with a sale of 2099.
    PointSilence.objects.create(
        site=site, fuelling_point=1, fiscal_day=today.fiscal_day, sequence=1, sales_elsewhere=9,
        last_sale_at=timezone.now(), judged_at=timezone.now(), look_again_after=1,
        usual_every_s=60,
    )  # fmt: skip
    assert silences_known(Site.objects.all()).count() == 1


class TestCorrectionsAndSeals:
    def test_a_correction_of_a_sealed_day_is_posted_to_the_open_one(
        self, site: Site, today: FiscalDay
    ) -> None:
        assert posting_day(day_of(site, str(today.fiscal_day - ONE_DAY))) == today.fiscal_day
        for day in IMPOSSIBLE:
            assert posting_day(day_of(site, day)) == datetime.date.fromisoformat(day)

    def test_the_real_day_is_sealed_next_and_the_impossible_ones_never(
        self, site: Site, today: FiscalDay
    ) -> None:
        assert first_unsealed(site.pk, before=datetime.date.max) == today
        FiscalDay.objects.filter(sealed_at=None).update(closed_at=timezone.now(), last_sequence=2)
        assert [row.day for row in days_to_seal().rows] == [today]
        assert days_to_seal().rows[0].is_next
        for day in IMPOSSIBLE:
            assert any("cannot have this" in why for why in seal_obstacles(day_of(site, day)))
        # What an X report foretells is what the seal then says.
        foretold = day_report(day_of(site, str(today.fiscal_day))).seal.perpetual_total
        explain_all(day_of(site, str(today.fiscal_day)), make_user())
        found = sealed(day_of(site, str(today.fiscal_day)))
        assert (found.z_number, found.perpetual_total) == (2, foretold)
        assert not ledger_verify(sites=[site]).faults

    @pytest.mark.parametrize("day", IMPOSSIBLE)
    def test_nothing_is_added_to_an_impossible_day_by_hand(self, site: Site, day: str) -> None:
        FiscalDay.objects.filter(fiscal_day=day).update(last_sequence=3)
        values = {
            "kind": Kind.SALE, "occurred_at": timezone.now(), "product": "E10",
            "amount": Decimal(1), "volume": None, "unit_price": None, "tax_rate": None,
        }  # fmt: skip
        draft = Draft(
            site=site, fiscal_day=datetime.date.fromisoformat(day), sequence=3, action="add",
            reason="other", note="x", values=values, based_on=0,
        )  # fmt: skip
        with pytest.raises(CorrectionError, match="cannot have this"):
            correction_propose(draft=draft, author=make_user())


class TestReports:
    def test_an_open_end_is_that_of_plausible_days(self, site: Site, today: FiscalDay) -> None:
        span = plausible_span(site, timezone.now())
        ends: list[dict[str, Any]] = [
            {}, {"first": span.first}, {"last": today.fiscal_day}, {"last": span.last}
        ]  # fmt: skip
        for open_ended in ends:
            for report in (period_report, period_report_summed_up):
                for sites in (None, [site]):
                    (found,) = report(sites=sites, **open_ended).currencies
                    assert found.turnover == Measure(
                        count=4, volume=Decimal(40), amount=Decimal(60), tax=None
                    )
                    assert len(found.times) <= 31
            (trend,) = stock_trend(site=site, **open_ended)
            assert [line.day for line in trend.lines] == [
                today.fiscal_day - ONE_DAY, today.fiscal_day
            ]  # fmt: skip

    @pytest.mark.parametrize("day", IMPOSSIBLE)
    def test_such_a_day_can_be_asked_for(self, site: Site, day: str) -> None:
        date = datetime.date.fromisoformat(day)
        (found,) = period_report_summed_up(first=date, last=date).currencies
        assert (found.turnover.volume, [line.day for line in found.times]) == (20, [date])
        (trend,) = stock_trend(site=site, first=date, last=date)
        assert [line.day for line in trend.lines] == [date]


PAGES = (
    "/",
    "/sites/S1/",
    "/sites/S1/days/",
    "/days/",
    "/reports/",
    "/reports/period/?first=&last=",
    "/reports/period/?first=&last=&format=csv",
    "/reports/period/?first=&last=&format=json",
    "/reports/stock/?first=&last=&site=S1",
    "/reports/stock/?first=&last=&site=S1&format=csv",
    "/reports/stock/?first=&last=&site=S1&format=json",
    "/reports/export/?first=&last=",
    "/ledger/",
    "/audit/",
    "/approvals/",
    "/fragments/?pieces=network_sites",
)
DAY_PAGES = (
    "/sites/S1/days/{}/",
    "/sites/S1/days/{}/?flagged=on",
    "/sites/S1/days/{}/fragments/?pieces=day_state",
    "/sites/S1/days/{}/1/",
    "/sites/S1/days/{}/1/correct/",
    "/sites/S1/days/{}/1/void/",
    "/sites/S1/days/{}/correct/",
    "/sites/S1/days/{}/close/",
    "/sites/S1/days/{}/reconciliation/",
    "/sites/S1/days/{}/report/",
    "/sites/S1/days/{}/report/?format=csv",
    "/sites/S1/days/{}/report/?format=json",
    "/reports/period/?first={0}&last={0}",
    "/reports/period/?first={0}&last={0}&format=csv",
    "/reports/period/?first={0}&last={0}&format=json",
    "/reports/stock/?first={0}&last={0}&site=S1",
    "/reports/export/?first={0}&last={0}&sites=S1",
    "/reports/day/?site=S1&fiscal_day={}",
    "/sites/S1/days/?before={}",
)


class TestPages:
    @pytest.fixture(params=[Role.ADMINISTRATOR, Role.APPROVER])
    def person(self, request: pytest.FixtureRequest, client: Client) -> Client:
        client.force_login(make_user(request.param))
        return client

    def _look(self, person: Client, path: str) -> None:
        answer = person.get(path)
        assert answer.status_code in (200, 302, 403), path
        assert answer.streaming or len(answer.content) < BYTES_MAX, path

    def test_no_page_fails_or_grows(self, site: Site, person: Client) -> None:
        for path in PAGES:
            self._look(person, path)
        for day in IMPOSSIBLE:
            for path in DAY_PAGES:
                self._look(person, path.format(day))

    def test_the_site_s_page_is_about_the_real_day(
        self, site: Site, today: FiscalDay, person: Client
    ) -> None:
        text = person.get("/sites/S1/").text
        assert f"/days/{today.fiscal_day}/" in text
        for day in IMPOSSIBLE:
            assert day not in text
        exported = json.loads(person.get("/reports/period/?first=&last=&format=json").content)
        assert "2099" not in json.dumps(exported)

    def test_the_list_of_days_marks_them_and_not_the_real_one(
        self, site: Site, person: Client
    ) -> None:
        text = person.get("/sites/S1/days/").text
        assert text.count("Cannot be") == len(IMPOSSIBLE)
        assert "Not closed" not in text, "the real day is the newest, though others stand above it"

    @pytest.mark.parametrize("day", IMPOSSIBLE)
    def test_its_own_page_says_that_it_cannot_be(
        self, site: Site, person: Client, today: FiscalDay, day: str
    ) -> None:
        said = "This day cannot be: the site's fiscal days lie between"
        assert said in " ".join(person.get(f"/sites/S1/days/{day}/").text.split())
        assert said not in person.get(f"/sites/S1/days/{today.fiscal_day}/").text
