"""A worker is killed while it stores what was released from quarantine: nothing lost or doubled."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.conftest import Rig

RELEASED = 40
REPLAYED = "SELECT count(*) FROM quarantine WHERE replayed_at IS NOT NULL"
RELEASE = """
INSERT INTO quarantine (
    first_received_at, last_received_at, topic, reason, detail, raw, raw_size, digest, outcome
) VALUES (
    now(), now(), %(topic)s, 'unknown_site', '', %(raw)s, length(%(raw)s), sha256(%(raw)s),
    'released'
)
"""


def release(rig: Rig, count: int) -> None:
    """Release the next entries of the controllers, as a person would."""
    entries: list[tuple[str, dict[str, Any]]] = rig.controllers.entries(count)
    with rig.postgres.connect() as connection:
        for site, entry in entries:
            raw = json.dumps(entry, default=str).encode()
            connection.execute(RELEASE, {"topic": f"forecourt/v1/{site}/ledger", "raw": raw})
    rig.published += entries


async def test_it_is_killed_while_it_stores_a_released_message(rig: Rig) -> None:
    """Between the first statement of the transaction and its commit, for certain."""
    rig.start_worker()
    await rig.publish(20)
    await rig.until_all_stored()
    async with rig.locked("day_total"):
        release(rig, RELEASED)
        await rig.until_waiting()
        assert rig.workers[0].kill() == -9
        worker = rig.start_worker()
    await rig.until(REPLAYED, RELEASED)
    assert rig.value("SELECT sum(replay_stored) FROM quarantine") == RELEASED
    assert rig.value("SELECT sum(replay_duplicates + replay_quarantined) FROM quarantine") == 0
    await rig.finish(worker)


async def test_it_is_killed_again_and_again(rig: Rig) -> None:
    worker = rig.start_worker()
    release(rig, 4 * RELEASED)
    for part in (1, 2, 3):
        await rig.until(f"SELECT ({REPLAYED}) >= {part * RELEASED}", True)
        assert worker.kill() == -9
        worker = rig.start_worker()
    await rig.until(REPLAYED, 4 * RELEASED)
    assert rig.value("SELECT sum(replay_stored) FROM quarantine") == 4 * RELEASED
    await rig.finish(worker)
