"""The line between a worker and its servers: reset, refused, and silent for half a minute.

Silent is the nasty case. The line takes what is sent and forwards nothing, so no error ever comes;
and when it carries again, the old connections stay half-open for ever: only who counts the seconds
notices. The lines are cut under several workers at once, each with sites of its own, so that the
half minute passes once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.conftest import Rig, running_mosquitto
from tests.faults.proxy import Proxy, proxy_to_port, proxy_to_socket
from tests.faults.servers import Postgres
from tests.faults.traffic import SITES

ENTRIES = 600
SILENCE_S = 30


@dataclass
class Lines:
    """A rig whose worker reaches its database and its broker by lines that can be cut."""

    rig: Rig
    database: Proxy
    broker: Proxy

    def start_worker(self) -> None:
        self.rig.start_worker(
            database_url=self.rig.postgres.url_through(self.database.port),
            mqtt_port=self.broker.port,
        )

    async def store_some(self) -> None:
        await self.rig.publish(ENTRIES)
        await self.rig.until_all_stored()


@contextlib.asynccontextmanager
async def lines_of(rig: Rig) -> AsyncIterator[Lines]:
    async with (
        proxy_to_socket(rig.postgres.socket) as database,
        proxy_to_port(rig.broker.port) as broker,
    ):
        yield Lines(rig, database, broker)


@pytest.fixture
async def lines(rig: Rig) -> AsyncIterator[Lines]:
    async with lines_of(rig) as lines:
        yield lines


async def test_the_lines_are_reset_and_refuse_in_mid_stream(lines: Lines) -> None:
    lines.start_worker()
    rig = lines.rig
    for cut in ([lines.database], [lines.broker], [lines.database, lines.broker]):
        async with rig.publishing(ENTRIES):
            await rig.until_stored(rig.stored() + ENTRIES // 5)
            for line in cut:
                line.reset()
        await rig.until_all_stored()
        async with rig.publishing(ENTRIES):
            await rig.until_stored(rig.stored() + ENTRIES // 5)
            noticed = rig.logs.count("trying again")
            for line in cut:
                line.cut()
            await rig.until_said(rig.workers[0], "trying again", times=noticed + 1)
            for line in cut:
                await line.open()
        await rig.until_all_stored()
    await lines.rig.finish(lines.rig.workers[0])


async def test_the_lines_are_silent_for_half_a_minute(postgres: Postgres, tmp_path: Path) -> None:
    """The database's, the broker's, both; and the database's while there is nothing to store."""
    async with contextlib.AsyncExitStack() as stack:
        every: list[Lines] = []
        for number, site in enumerate(SITES):
            broker = stack.enter_context(running_mosquitto(tmp_path / f"mosquitto-{number}"))
            own = Rig(postgres, broker, tmp_path, f"silent-{number}", [site])
            stack.callback(own.end_workers)
            await own.keep_session()
            every.append(await stack.enter_async_context(lines_of(own)))
        to_database, to_broker, to_both, idle = every
        for lines in every:
            lines.start_worker()
            await lines.store_some()

        silent = [
            to_database.database,
            to_broker.broker,
            to_both.database,
            to_both.broker,
            idle.database,
        ]
        async with contextlib.AsyncExitStack() as publishing:
            for lines in (to_database, to_broker, to_both):
                await publishing.enter_async_context(lines.rig.publishing(ENTRIES))
            for lines in (to_database, to_broker, to_both):
                await lines.rig.until_stored(ENTRIES + 1)
            for line in silent:
                line.fall_silent()
            await asyncio.sleep(SILENCE_S)  # the silence itself; no event ends it
            for line in silent:
                # The idle worker's server hears nothing either, and keeps the old lease.
                line.carry_again(server_notices=line is not idle.database)
        for lines in every:
            await lines.rig.finish(lines.rig.workers[0])
