"""The worker is killed at any moment; the next one goes on where the ledger stands."""

from __future__ import annotations

import random

from tests.faults.conftest import Rig

KILLS = 10
ENTRIES_BETWEEN = 1_000


async def test_it_is_killed_ten_times_in_one_stream(rig: Rig) -> None:
    # Moments of progress, not of a clock: the same on a fast machine as on a slow one.
    random_numbers = random.Random(412)
    worker = rig.start_worker()
    for _ in range(KILLS):
        async with rig.publishing(ENTRIES_BETWEEN):
            await rig.until_stored(rig.stored() + random_numbers.randint(1, ENTRIES_BETWEEN))
            assert worker.kill() == -9
            worker = rig.start_worker()
    await rig.finish(worker)


async def test_it_is_killed_while_it_holds_a_batch(rig: Rig) -> None:
    """Between the first statement of a transaction and its commit, for certain."""
    rig.start_worker()
    await rig.publish(20)
    await rig.until_all_stored()
    async with rig.locked("day_total"):
        await rig.publish(300)
        await rig.until_waiting()
        assert rig.workers[0].kill() == -9
        worker = rig.start_worker()
    await rig.finish(worker)
