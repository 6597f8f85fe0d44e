"""How many queries each page makes, beside what is checked in: more is a step back to be noticed.

`QUERY_COUNTS=write` before pytest writes the file anew, for when a page rightly asks for more (or
for less).
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ledger.models import Alarm, Entry, PumpState, Quarantine, Site, TankState
from ledger.selectors import ingest
from ledger.selectors.attention import SITES_NAMED_MAX
from tests.factories import (
    make_correction,
    make_day,
    make_forecourt,
    make_pulse,
    make_quarantined,
    make_status,
    make_user,
)

pytestmark = pytest.mark.django_db
FILE = Path(__file__).resolve().parents[1] / "query_counts.json"
DAY = "2026-11-21"
PAGES = (
    "/",
    "/?q=site&state=offline",
    "/?topic=any&sort=litres",
    "/?sort=code&page=2",
    "/site-options/?q=site",
    "/sites/S0/",
    "/sites/S0/days/",
    f"/sites/S0/days/{DAY}/",
    f"/sites/S0/days/{DAY}/?product=E10",
    f"/sites/S0/days/{DAY}/1/",
    f"/sites/S0/days/{DAY}/1/correct/",
    f"/sites/S0/days/{DAY}/1/void/",
    f"/sites/S0/days/{DAY}/3/add/",
    f"/sites/S0/days/{DAY}/correct/",
    f"/sites/S0/days/{DAY}/reconciliation/",
    f"/sites/S0/days/{DAY}/report/",
    "/days/",
    "/reports/",
    f"/reports/period/?first={DAY}&last={DAY}",
    f"/reports/period/?first=2026-01-01&last={DAY}",
    f"/reports/stock/?first={DAY}&last={DAY}&site=S0",
    "/ledger/",
    "/quarantine/",
    "/quarantine/?site=S0&text=x",
    "/quarantine/decide/",
    "/quarantine/{message}/",
    "/quarantine/{message}/mend/",
    "/approvals/",
    "/sites/S0/setup/products/",
    "/sites/S0/setup/tanks/",
    "/sites/S0/setup/points/",
    "/audit/",
    "/audit/?site=S0",
    "/fragments/",
    "/sites/S0/fragments/",
    f"/sites/S0/days/{DAY}/fragments/",
)


def make_site_with_everything(code: str) -> Site:
    """A site where every kind of thing is amiss."""
    now = timezone.now()
    site = make_forecourt(code, name=f"Site {code}")
    make_status(site, online=False)
    make_day(site, fiscal_day=now.date().isoformat(), entries=2, highest_sequence=4)
    make_day(site, fiscal_day=DAY, entries=2, highest_sequence=3)
    make_correction(Entry.objects.get(pk=(site.pk, DAY, 2)), needs_approval=True)
    TankState.objects.create(site=site, tank=1, at=now, received_at=now, product="E10", volume=1)
    PumpState.objects.create(
        site=site, fuelling_point=1, state="inoperative", since=now, at=now, received_at=now
    )
    Alarm.objects.create(site=site, device="tank", number=1, code="x", state="started", at=now)
    make_quarantined(site=site)
    return site


@pytest.fixture
def staff(client: Client) -> Client:
    """Somebody who sees all sites; a worker reports."""
    make_pulse("east", timezone.now() - datetime.timedelta(seconds=1), received=1, batches=1)
    client.force_login(make_user())
    return client


def counts(client: Client) -> dict[str, int]:
    found = {}
    message = Quarantine.objects.filter(site__code="S0").values_list("id", flat=True).get()
    for path in PAGES:
        # Each page as the first that is asked for.
        ingest._minutes.cache_clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path.format(message=message)).status_code == 200, path
        found[path] = len(queries)
    return found


def test_pages_make_as_many_queries_as_are_checked_in_however_many_sites(staff: Client) -> None:
    make_site_with_everything("S0")
    found = counts(staff)
    if os.environ.get("QUERY_COUNTS") == "write":
        FILE.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(FILE.read_text()), "QUERY_COUNTS=write writes what is right now"
    # A cycle of polls asks no more than its page.
    for page in ("/", "/sites/S0/", f"/sites/S0/days/{DAY}/"):
        assert found[f"{page}fragments/"] <= found[page], page
    for number in range(1, SITES_NAMED_MAX):
        make_site_with_everything(f"S{number}")
    assert counts(staff) == found
    # Of more sites one line says how many, which takes less.
    make_site_with_everything("MORE")
    assert all(count <= found[path] for path, count in counts(staff).items())
