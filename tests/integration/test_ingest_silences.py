"""The worker finds silent fuelling points by itself, one worker at a time."""

from __future__ import annotations

import asyncio
import datetime

import pytest

from ingest.database import make_pool
from ingest.silences import judge_silences
from ledger.models import FiscalDay, NozzleState, PointSilence
from tests.factories import make_site

pytestmark = pytest.mark.usefixtures("committed_db")

NOW = datetime.datetime(2026, 11, 24, 15, 0, tzinfo=datetime.UTC)


def test_one_worker_looks_and_the_other_passes_by() -> None:
    site = make_site("S1", timezone="UTC")
    FiscalDay.objects.create(site=site, fiscal_day=NOW.date(), entry_count=90, highest_sequence=90)
    NozzleState.objects.create(
        site=site,
        fuelling_point=1,
        nozzle=1,
        fiscal_day=NOW.date(),
        sequence=1,
        occurred_at=NOW - datetime.timedelta(hours=2),
        product="E10",
        amount=10,
    )

    async def look() -> tuple[int, int, int]:
        async with make_pool(application_name="test") as pool, pool.connection() as first:
            async with pool.connection() as second, first.transaction():
                looked_at = await judge_silences(first, NOW)
                while_first_does = await judge_silences(second, NOW)
            return looked_at, while_first_does, await judge_silences(first, NOW)

    assert asyncio.run(look()) == (1, 0, 0)
    # Nobody knows what is usual, so it is not called dead.
    assert PointSilence.objects.get().usual_every_s is None
