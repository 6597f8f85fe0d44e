"""Workers that divide the sites among them."""

from __future__ import annotations

import pytest

from ledger.models import Quarantine
from tests.factories import make_forecourt
from tests.integration.conftest import Rig, open_session
from tests.integration.test_ingest_outcomes import entry, rows

SITES = [f"SHARE-{number}" for number in range(8)]
EACH_ENTRY_ONCE = "SELECT count(*) = 24 AND sum(sequence) = 48 FROM entry"


@pytest.fixture(autouse=True)
def sites(committed_db: None) -> None:
    for code in SITES:
        make_forecourt(code)


async def test_what_each_passes_by_the_other_takes(embedded_rig: Rig) -> None:
    rig = embedded_rig
    for number in (1, 2):
        await open_session(rig.broker, f"forecourt-{rig.name}-{number}-of-2")
    workers = [rig.start_worker("--share", f"{number}/2") for number in (1, 2)]
    await rig.publish(
        *[
            (f"forecourt/v1/{code}/ledger", entry(sequence))
            for sequence in (1, 2, 3)
            for code in SITES
        ],
        ("forecourt/v1/NOBODY/ledger", entry(1)),
        ("forecourt/v1/SHARE-1/gossip", entry(1)),
    )
    await rig.until(EACH_ENTRY_ONCE, answer=True)
    await rig.until("SELECT count(*) FROM quarantine", 2)
    assert sorted(await rows(Quarantine, "reason", "seen")) == [
        ("unknown_site", 1),
        ("unknown_topic", 1),
    ]
    await rig.until("SELECT count(DISTINCT worker) FROM pulse WHERE stored > 0", 2)
    await rig.until("SELECT sum(stored)::integer FROM pulse", 24)
    assert [worker.stop() for worker in workers] == [0, 0]
