"""The network page."""

from __future__ import annotations

import datetime
import re

import pytest
from django.test import Client
from django.utils import timezone

from console.live.render import network_fragment_html
from console.models import Role
from console.network_view import NetworkView
from console.views.network import NETWORK_FRAGMENTS
from ledger.models import Alarm, AlarmEvent, FiscalDay, PumpState, Site, TankState
from ledger.selectors.ingest import ingest_pulse
from tests.factories import (
    make_day,
    make_forecourt,
    make_pulse,
    make_quarantined,
    make_site,
    make_status,
    make_user,
    make_worker,
)
from tests.live import piece_of

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user())
    return client


def today() -> str:
    return timezone.now().date().isoformat()


def test_it_is_calm_without_anything(staff: Client) -> None:
    answer = staff.get("/")
    assert "No ingest worker has reported yet" in answer.text
    assert "No sites are registered that you can see." in answer.text


def test_a_site_that_is_well(staff: Client) -> None:
    site = make_forecourt("S1", name="Harbour Road")
    make_status(site)
    make_day(site, fiscal_day=today(), entries=3)
    answer = staff.get("/")
    assert "Harbour Road" in answer.text
    assert "£143.79" in answer.text
    assert "97 <" in " ".join(answer.text.split()).replace("</span>", " <")


def test_what_needs_attention(staff: Client) -> None:
    now = timezone.now()
    offline, old = make_site("OFF", name="Dark"), make_site("OLD", name="Silent street")
    make_status(offline, online=False)
    make_status(old, seconds_ago=3_600)
    busy = make_forecourt("BUSY", name="Busy")
    make_status(busy)
    make_day(busy, fiscal_day=today(), entries=2, highest_sequence=5)
    TankState.objects.create(site=busy, tank=1, at=now, received_at=now, product="E10", volume=3000)
    PumpState.objects.create(
        site=busy, fuelling_point=2, state="inoperative", since=now, at=now, received_at=now
    )
    Alarm.objects.create(
        site=busy, device="tank", number=1, code="high_water", state="started", at=now
    )
    make_quarantined(site=busy)
    text = " ".join(staff.get("/").text.split())
    for words in (
        "The site's controller is offline",
        "Nothing heard from the site for too long",
        "3 entries missing on",
        "Tank 1 E10 is low, 3,000 L left",
        "Fuelling point 2 is inoperative",
        "Tank 1: water high",
        "1 message waits in quarantine",
        "No ingest worker has reported yet",
    ):
        assert words in text


def test_finished_alarms_and_closed_sites_are_no_news(staff: Client) -> None:
    site = make_site("S1")
    make_status(site)
    Alarm.objects.create(
        site=site,
        device="tank",
        number=1,
        code="low_product",
        state=AlarmEvent.State.FINISHED,
        at=timezone.now(),
    )
    closed = make_site("GONE", is_closed=True)
    make_status(closed, online=False)
    text = staff.get("/").text
    assert "low product" not in text
    assert "controller is offline" not in text


def test_a_day_left_open_is_named(staff: Client) -> None:
    site = make_site("S1")
    make_status(site)
    yesterday = timezone.now().date() - datetime.timedelta(days=1)
    make_day(site, fiscal_day=yesterday.isoformat())
    make_day(site, fiscal_day=today())
    assert "was not closed" in staff.get("/").text


def test_a_calendar_gone_wrong_does_not_become_today(staff: Client) -> None:
    site = make_site("S1")
    make_day(site, fiscal_day=today(), entries=2)
    make_day(site, fiscal_day="2999-01-01", entries=1)
    text = staff.get("/").text
    assert f"/sites/S1/days/{today()}/" in text
    assert "2999" not in text


def test_a_manager_sees_their_own_alone(client: Client) -> None:
    own, other = make_site("OWN", name="Mine"), make_site("OTHER", name="Not mine")
    make_status(own)
    make_status(other, online=False)
    make_quarantined(site=other)
    client.force_login(make_user(Role.MANAGER, own))
    text = client.get("/").text
    assert "Mine" in text
    assert "Not mine" not in text
    assert "waits in quarantine" not in text
    assert "of 1" in " ".join(text.split())


def test_the_ingest_without_a_worker(staff: Client) -> None:
    text = " ".join(staff.get("/").text.split())
    assert "No worker has reported yet." in text
    assert "No worker has reported in the last hour" in text
    assert "none received yet" in text


def test_the_charts_begin_with_a_whole_minute() -> None:
    now = timezone.now().replace(second=30)
    make_pulse("east", now - datetime.timedelta(seconds=9), received=5)
    view = NetworkView(None)
    for passed, begins in ((0, True), (1, False)):
        view.pulse = ingest_pulse(now=now + datetime.timedelta(minutes=passed))
        html = network_fragment_html(NETWORK_FRAGMENTS["network_charts"], view)
        assert ("The charts begin with the first whole minute." in html) is begins
        assert ("<figure" in html) is not begins


def test_the_ingest_s_workers_and_charts(staff: Client) -> None:
    now = timezone.now()
    ago = now - datetime.timedelta(minutes=1)
    make_pulse("east", ago, received=1_000_000, latency_ms_p50=3.0, latency_ms_p99=12.0, batches=1)
    make_pulse("east", now, received=12, stored=10, batches=1, latency_ms_p99=345.0)
    make_worker("west", reported_at=now - datetime.timedelta(minutes=20))
    text = " ".join(staff.get("/").text.split())
    for words in ("east", "1.2 a second received", "west", "Does not report", "345 ms"):
        assert words in text
    assert "Worker west does not report any more" in text
    charts = piece_of(staff, "/", "network_charts")
    assert "16,667" in charts
    assert charts.count("<figure") == 6
    assert charts.count("<tr>") == 61


def test_late_entries_leave_the_lag_alone_and_are_told_apart(staff: Client) -> None:
    now = timezone.now()
    make_pulse(
        "a", now, stored=3, batches=1, latency_ms_p50=4.0, lag_ms_p50=900.0, lag_ms_p99=1_200.0,
        late=2, late_lag_ms_p50=3_600_000.0, late_lag_ms_p99=86_400_000.0,
    )  # fmt: skip
    text = " ".join(staff.get("/").text.split())
    figures = text.partition('id="network_figures"')[2].partition("</section>")[0]
    assert "1.2</span>" in figures
    assert "late entries in the last hour, up to 1 d" in figures
    panel = text.partition('id="network_ingest"')[2]
    row = panel.partition('id="ingest-late-lag-hour"')[2].partition("</tr>")[0]
    assert "1.0 h" in row
    assert "1 d<" in row


def test_figures_that_do_not_move_say_since_when(staff: Client) -> None:
    now = timezone.now()
    at = (now - datetime.timedelta(hours=2)).replace(microsecond=0)
    make_pulse("east", at, received=5, stored=2, batches=1, quarantined=1, latency_ms_p99=12.0)
    make_pulse("east", now)
    since = at.strftime("%H:%M UTC</time>")
    figures = " ".join(piece_of(staff, "/", "network_figures").split())
    for words in ("none received since", "unchanged since", "waiting, none since", since, "12<"):
        assert words in figures
    ingest = " ".join(piece_of(staff, "/", "network_ingest").split())
    assert "no event received since" in ingest
    assert ingest.count(since) >= 4


def test_a_manager_is_told_nothing_of_workers_and_the_network_s_quarantine(client: Client) -> None:
    now = timezone.now()
    make_pulse("east", now - datetime.timedelta(minutes=1), received=5, quarantined=3)
    make_worker("west", reported_at=now - datetime.timedelta(minutes=20))
    client.force_login(make_user(Role.MANAGER, make_site("OWN")))
    text = client.get("/").text
    for name in ("network_figures", "network_ingest", "network_charts", "network_attention"):
        text += piece_of(client, "/", name)
    for word in ("east", "west", "Quarantined a minute", "process 4,711"):
        assert word not in text
    assert "Events a second" in text


def test_it_finds_sites(staff: Client) -> None:
    make_site("A1", name="Harbour Road", city="Grimsby")
    make_site("B2", name="Station Road", city="Hull")
    text = staff.get("/", {"q": "grims road"}, headers=HTMX).text
    assert "Harbour Road" in text
    assert "Station Road" not in text
    assert "<html" not in text
    assert "No site matches." in staff.get("/", {"q": "nowhere"}).text


def test_it_filters_by_state(staff: Client) -> None:
    make_status(make_site("A1", name="Alive"))
    make_status(make_site("B2", name="Away"), online=False)
    make_site("C3", name="Unknown")
    text = staff.get("/", {"state": "offline"}, headers=HTMX).text
    assert "Away" in text
    assert "Alive" not in text
    text = staff.get("/", {"state": "silent"}, headers=HTMX).text
    assert "Unknown" in text
    assert "Away" not in text


def names(text: str) -> list[str]:
    """The listed sites, in their order."""
    return re.findall(r'class="site-row__link"[^>]*>([^<]*)</a>', text)


def test_the_most_urgent_come_first_and_say_why(staff: Client) -> None:
    make_status(make_site("A1", name="Well"))
    make_status(make_site("B2", name="Old"), seconds_ago=3_600)
    make_status(make_site("C3", name="Away"), online=False)
    low = make_forecourt("D4", name="Low")
    make_status(low)
    now = timezone.now()
    TankState.objects.create(site=low, tank=1, at=now, received_at=now, product="E10", volume=1)
    late = make_site("E5", name="Late")
    make_status(late)
    FiscalDay.objects.create(site=late, fiscal_day=now.date() - datetime.timedelta(days=3))
    table = piece_of(staff, "/", "network_sites")
    assert names(table) == ["Away", "Old", "Low", "Late", "Well"]
    assert "Low tank" in table
    assert "not closed" in " ".join(table.split())


def test_it_lists_what_is_amiss_by_topic(staff: Client) -> None:
    make_status(make_site("A1", name="Well"))
    make_status(make_site("B2", name="Old"), seconds_ago=3_600)
    make_status(make_site("C3", name="Away"), online=False)
    assert 'href="/?topic=stale#sites"' in staff.get("/").text
    assert names(staff.get("/", {"topic": "stale"}, headers=HTMX).text) == ["Old"]
    anything = staff.get("/", {"topic": "any"}, headers=HTMX).text
    assert names(anything) == ["Away", "Old"]
    assert "2 sites match" in " ".join(anything.split())
    assert names(staff.get("/", {"topic": "any", "q": "old"}, headers=HTMX).text) == ["Old"]
    assert "No site matches." in staff.get("/", {"topic": "tank"}).text
    assert len(names(staff.get("/", {"topic": "ingest"}).text)) == 3


def test_it_sorts(staff: Client) -> None:
    for code, litres in (("A1", 3), ("B2", 9), ("C3", 6)):
        make_day(make_site(code, name=code), fiscal_day=today(), entries=litres)
    make_status(Site.objects.get(code="C3"), online=False)
    make_site("D4", name="D4")

    def order(sort: str) -> str:
        return "".join(name[0] for name in names(staff.get("/", {"sort": sort}).text))

    assert order("") == "CABD"
    assert order("code") == "ABCD"
    assert order("litres") == "BCAD"
    assert order("nonsense") == "CABD"


def test_pages_keep_the_filter_and_the_order(staff: Client) -> None:
    Site.objects.bulk_create(Site(code=f"S{n:04d}", name=f"Site {n}") for n in range(60))
    text = staff.get("/", {"q": "site", "sort": "code", "page": 2}).text
    assert "q=site&amp;sort=code&amp;page=3#sites" in text
    assert "q=site&amp;sort=code&amp;page=1#sites" in text


def test_totals_are_those_of_the_sites_that_match(staff: Client) -> None:
    make_day(make_site("A1", name="Harbour"), fiscal_day=today(), entries=1)
    make_day(make_site("B2", name="Station"), fiscal_day=today(), entries=2)
    make_day(make_site("C3", name="Port", currency="EUR"), fiscal_day=today(), entries=1)

    def amounts(**query: str) -> list[str]:
        return re.findall(r'class="today__amount"[^>]*>([^<]*)<', staff.get("/", query).text)

    assert amounts() == ["£143.79", "€47.93"]
    assert amounts(q="station") == ["£95.86"]
    assert amounts(q="nowhere") == []


def test_a_manager_s_totals_and_ranks_are_of_their_own(client: Client) -> None:
    own, other = make_site("OWN", name="Mine"), make_site("OTHER", name="Not mine")
    make_status(other, online=False)
    for site in (own, other):
        make_day(site, fiscal_day=today(), entries=1)
    client.force_login(make_user(Role.MANAGER, own))
    for query in ({}, {"sort": "litres"}, {"q": "mine"}):
        text = client.get("/", query).text
        assert names(text) == ["Mine"]
        assert "£47.93" in text
        assert "£95.86" not in text
    assert "No site matches." in client.get("/", {"topic": "offline"}).text


def test_the_same_trouble_at_many_sites_is_one_line(staff: Client) -> None:
    for number in range(12):
        make_status(make_site(name=f"Dark {number}"), online=False)
    text = " ".join(piece_of(staff, "/", "network_attention").split())
    assert "13 things need attention" in text  # the twelve, and that no worker reports
    assert "The controllers of 12 sites are offline" in text
    assert "Dark 3" not in text


def test_a_state_that_is_none_is_no_error(staff: Client) -> None:
    make_site("A1", name="Alive")
    assert "Alive" in staff.get("/", {"state": "x' OR 1=1", "page": "-7"}).text


def test_fragment_or_page_varies(staff: Client) -> None:
    assert "HX-Request" in staff.get("/")["Vary"]
    restored = staff.get("/", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert "<html" in restored.text


def test_thousands_of_sites_come_in_pages(staff: Client) -> None:
    Site.objects.bulk_create(Site(code=f"S{n:04d}", name=f"Site {n}") for n in range(1_001))
    first, second = staff.get("/").text, staff.get("/", {"page": 2}).text
    assert "1 to 25 of 1,001 sites" in " ".join(first.split())
    assert "S0025" not in first
    assert "S0025" in second


def test_the_number_of_queries_is_that_of_one_site(
    staff: Client, django_assert_max_num_queries
) -> None:
    def make(code: str) -> None:
        site = make_forecourt(code)
        make_status(site, online=False)
        make_day(site, fiscal_day=today(), entries=1, highest_sequence=3)
        TankState.objects.create(
            site=site, tank=1, at=timezone.now(), received_at=timezone.now(), volume=1
        )

    make("S0")
    with django_assert_max_num_queries(40) as one:
        staff.get("/")
    for number in range(1, 50):
        make(f"S{number}")
    with django_assert_max_num_queries(len(one.captured_queries)):
        staff.get("/")


def test_the_switcher_offers_the_closest_first(staff: Client) -> None:
    make_site("ROAD-2", name="Elsewhere")
    make_site("X1", name="Road of dreams")
    make_site("X2", name="Old road")
    text = staff.get("/site-options/", {"q": "road"}, headers=HTMX).text
    assert text.index("Elsewhere") < text.index("Road of dreams") < text.index("Old road")
    assert "No site matches" in staff.get("/site-options/", {"q": "%"}, headers=HTMX).text


def test_the_switcher_offers_what_one_may_see(client: Client) -> None:
    make_site("SECRET", name="Secret")
    client.force_login(make_user(Role.MANAGER, make_site("OWN")))
    assert "Secret" not in client.get("/site-options/", {"q": "secret"}).text
