"""The right to work under a name: one worker has it, a second one stands by.

Two workers of one name would share one MQTT session and throw each other out of it for ever. So
the name is held as an advisory lock of PostgreSQL for as long as a connection lives; a worker that
is killed loses it at once, and the one that stood by goes on with its session. A worker whose
machine or line dies says no goodbye, so the lock also ends when its connection was silent for some
time: else it would keep itself out when it comes back. By then the worker has given up. The same
connection hears that sites changed, that commands wait and that messages were released.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import zlib
from typing import TYPE_CHECKING, Any

import psycopg

from ingest.cancellation import heed_cancellation
from ingest.database import WatchedConnection, connection_parameters
from ingest.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from psycopg import AsyncConnection

logger = logging.getLogger(__name__)

SITE_CHANGES_CHANNEL = "site_changes"
COMMANDS_CHANNEL = "commands"
RELEASES_CHANNEL = "releases"
#: Names the kind of lock, so that other advisory locks of the application do not collide.
_LOCK_CLASS = 0x46_43_49_4E
_STANDING_BY = load("standing_by")

TRY_EVERY_S = 0.5
#: How often a worker that stands by says so.
STANDBY_REPORT_EVERY_S = 2.0
ALIVE_EVERY_S = 5.0
#: How long the server may take to confirm that we are alive.
CONFIRM_TIMEOUT_S = 10.0
#: When the server takes the name away from a connection that is silent. Longer than the two above
#: together, so that a worker knows before another one may take over.
SILENCE_MS = 30_000


class LeaseLost(Exception):
    """The connection that held the name is gone, and with it the right to work."""


class Lease:
    """A held name."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def watch(
        self,
        *,
        on_sites_changed: Callable[[], Awaitable[None]],
        on_commands: Callable[[], None],
        on_releases: Callable[[], None],
    ) -> None:
        """Call back whenever sites changed, commands wait or messages were released.

        LeaseLost with the connection.
        """
        try:
            while True:
                heed_cancellation()
                async for rung in self._connection.notifies(timeout=ALIVE_EVERY_S, stop_after=1):
                    if rung.channel == COMMANDS_CHANNEL:
                        on_commands()
                    elif rung.channel == RELEASES_CHANNEL:
                        on_releases()
                    else:
                        await on_sites_changed()
                await self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            heed_cancellation()
            raise LeaseLost(f"the database connection is gone: {error}") from error


@contextlib.asynccontextmanager
async def held_lease(
    name: str, *, on_standby: Callable[[], None] | None = None
) -> AsyncIterator[Lease]:
    """Wait until the name is free, and hold it. psycopg errors pass through.

    While another worker has it, the database is told that this one stands by.
    """
    key = zlib.crc32(name.encode()) - 2**31
    connection = await WatchedConnection.connect(
        **connection_parameters(
            application_name=f"ingest {name} lease", idle_session_timeout=SILENCE_MS
        )
    )
    connection.answer_timeout_s = CONFIRM_TIMEOUT_S
    async with connection:
        reported_at = -math.inf
        while not await _try_lock(connection, key):
            if reported_at < 0:
                logger.info("another worker is named %r: standing by until it ends", name)
                if on_standby is not None:
                    on_standby()
            if time.monotonic() - reported_at >= STANDBY_REPORT_EVERY_S:
                await connection.execute(_STANDING_BY, {"worker": name})
                reported_at = time.monotonic()
            await asyncio.sleep(TRY_EVERY_S)
        for channel in (SITE_CHANGES_CHANNEL, COMMANDS_CHANNEL, RELEASES_CHANNEL):
            await connection.execute(f"LISTEN {channel}")
        yield Lease(connection)


async def _try_lock(connection: AsyncConnection[Any], key: int) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_CLASS, key])
    row = await cursor.fetchone()
    return bool(row and row[0])
