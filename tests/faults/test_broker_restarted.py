"""The broker is restarted, in order and by force, in mid-stream."""

from __future__ import annotations

import asyncio

from tests.faults.conftest import Rig

ENTRIES = 1_500


async def test_the_broker_is_restarted_in_mid_stream(rig: Rig) -> None:
    worker = rig.start_worker()
    for _ in range(2):
        async with rig.publishing(ENTRIES):
            await rig.until_stored(rig.stored() + ENTRIES // 5)
            await asyncio.to_thread(rig.broker.stop)
            await asyncio.to_thread(rig.broker.start)
    await rig.finish(worker)


async def test_the_broker_is_killed(rig: Rig) -> None:
    """Killed, it forgets what it took since it last wrote: that is its promise, not the worker's.

    So only this can hold: what the ledger has stays, and what the broker never confirmed is
    published again by the controllers and stored.
    """
    worker = rig.start_worker()
    await rig.publish(ENTRIES)
    await rig.until_all_stored()
    # An orderly restart: the broker has the worker's subscription on disk from here on.
    await asyncio.to_thread(rig.broker.stop)
    await asyncio.to_thread(rig.broker.start)
    await rig.publish(ENTRIES)
    await rig.until_all_stored()

    await asyncio.to_thread(rig.broker.kill)
    async with rig.publishing(ENTRIES):
        await asyncio.to_thread(rig.broker.start)
    await rig.finish(worker)
