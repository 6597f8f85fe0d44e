"""Somebody locks the ledger for longer than the worker cares to wait."""

from __future__ import annotations

from tests.faults.conftest import Rig

ENTRIES = 500


async def test_the_ledger_is_locked_for_a_while(rig: Rig) -> None:
    worker = rig.start_worker()
    await rig.publish(ENTRIES)
    await rig.until_all_stored()
    async with rig.locked("entry"):
        await rig.publish(ENTRIES)
        pulses = rig.value("SELECT count(*) FROM pulse")
        await rig.until_said(worker, "lock timeout; the batch is kept")
        # The worker is stuck, and says that it lives.
        assert rig.value("SELECT count(*) FROM pulse") > pulses
    await rig.finish(worker)
