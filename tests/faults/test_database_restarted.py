"""PostgreSQL stops, is shut down at once, or dies, in mid-stream; the worker waits for it."""

from __future__ import annotations

import asyncio
import signal

from tests.faults.conftest import Rig

ENTRIES = 1_500


async def test_postgresql_is_stopped_and_killed_in_mid_stream(rig: Rig) -> None:
    worker = rig.start_worker()
    for fault in (
        rig.postgres.stop,
        lambda: rig.postgres.kill(signal.SIGQUIT),
        lambda: rig.postgres.kill(signal.SIGKILL),
    ):
        async with rig.publishing(ENTRIES):
            await rig.until_stored(rig.stored() + ENTRIES // 5)
            await asyncio.to_thread(fault)
        # The rest waits at the broker; nothing was acknowledged that is not in the ledger.
        await asyncio.to_thread(rig.postgres.start)
        await rig.until_all_stored()
        rig.assert_ledger_is_what_was_published()
    await rig.finish(worker)


async def test_its_connections_are_ended_at_the_servers_side(rig: Rig) -> None:
    worker = rig.start_worker()
    for like in ("ingest %", "ingest % lease", f"ingest {rig.name}"):
        async with rig.publishing(ENTRIES):
            await rig.until_stored(rig.stored() + ENTRIES // 5)
            ended = rig.value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                f"WHERE application_name LIKE '{like}'"
            )
            assert ended >= 1
        await rig.until_all_stored()
    await rig.finish(worker)


async def test_the_worker_starts_before_its_database(rig: Rig) -> None:
    rig.postgres.stop()
    try:
        worker = rig.start_worker()
        await rig.publish(100)
        await rig.until_said(worker, "trying again")
    finally:
        rig.postgres.start()
    await rig.finish(worker)
