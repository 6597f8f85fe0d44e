"""What people released from quarantine, stored the way of a fresh message.

It is decoded, judged and stored by the same code as what comes from the broker, as if it had been
received now. Storing it and saying so is one transaction, which holds the message's row: so a
worker that is killed leaves it as it was, and of several workers one takes it. It does not wait
for a broker, and takes nothing from the way of the fresh messages but its turn at a day's row.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from ingest import contract
from ingest.adoption.local_times import localised
from ingest.batch import Batch, Forgotten, rejection
from ingest.database import DATA_ERRORS, PASSING_ERRORS
from ingest.decode import INVALID
from ingest.intake import Intake
from ingest.live import LiveStates, write_whole_round
from ingest.sql import load
from ingest.store import store
from ingest.topics import parse_topic

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

    from ingest.live import LiveRound
    from ingest.sites import SiteRegistry
    from ingest.store import Outcome

logger = logging.getLogger(__name__)

_PEEK = load("peek_released")
_CLAIM = load("claim_released")
_REPLAYED = load("released_replayed")

#: A notification that was missed costs this long.
LOOK_EVERY_S = 5.0
#: The wait after a failure; releases are rare, so it need not grow.
RETRY_S = 2.0


class Releases:
    """Stores what was released. `ring` is a doorbell that says that something may be.

    `on_replayed` is told of each message, once its transaction is committed.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        sites: SiteRegistry,
        *,
        worker_name: str,
        on_replayed: Callable[[Batch, Outcome], None],
    ) -> None:
        self._pool = pool
        self._sites = sites
        self._worker_name = worker_name
        self._on_replayed = on_replayed
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Look soon whether something was released."""
        self._rung.set()

    async def run(self) -> None:
        """Store what was released, whenever rung and every LOOK_EVERY_S, until cancelled.

        A database that is away is waited for. Other errors pass through.
        """
        while True:
            self._rung.clear()
            try:
                while await self._replay_next():
                    pass
            except PASSING_ERRORS as error:
                logger.warning("releases: %s; the message waits and is tried again", error)
                await asyncio.sleep(RETRY_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._rung.wait()

    async def _replay_next(self) -> bool:
        """Store the oldest that nobody else is storing. Returns whether there was one."""
        async with self._pool.connection() as connection:
            row = await _one(connection, _PEEK)
            if row is None:
                return False
            message_id, topic, payload, told_at = row
            batch, live = await self._decode(connection, topic, bytes(payload), told_at)
            batch.replay_of = message_id
            await _make_months(connection, batch)
            async with connection.transaction():
                if await _one(connection, _CLAIM, id=message_id) is None:
                    return True  # another worker was faster
                outcome = await self._store(connection, batch, live, topic, bytes(payload))
                await connection.execute(
                    _REPLAYED,
                    {
                        "id": message_id,
                        "worker": self._worker_name,
                        "stored": outcome.stored,
                        "duplicates": outcome.duplicates,
                        "quarantined": outcome.quarantined,
                    },
                )
        self._on_replayed(batch, outcome)
        logger.info(
            "releases: message %s: %s stored, %s duplicates, %s quarantined",
            message_id, outcome.stored, outcome.duplicates, outcome.quarantined,
        )  # fmt: skip
        return True

    async def _decode(
        self,
        connection: AsyncConnection[Any],
        topic: str,
        payload: bytes,
        told_at: datetime.datetime,
    ) -> tuple[Batch, LiveRound]:
        """Decode a message into a batch of its own, and the live state that it may hold.

        A state that waited in quarantine takes the place of none that was received after it.
        """
        live = LiveStates()
        batch = Batch()
        # Of all sites: whoever is free takes it, since a day's row keeps two workers apart.
        intake = Intake(self._sites, live)
        site_code = parse_topic(topic.encode()).site_code
        # Asked anew: the site may have been registered, or its first day moved, by the very commit
        # that released the message.
        await self._sites.look_up(connection, {site_code}, at_once=True)
        if site_code in self._sites.by_code:
            payload = localised(payload, self._sites.by_code[site_code].timezone)
        message = (topic.encode(), payload, 0)
        intake.take(batch, time.perf_counter(), [message], told_at=told_at)
        intake.settle_strangers(batch)
        states = live.next_round()
        # What was said long ago does not mean that the site is heard from now.
        states.heard.clear()
        return batch, states

    async def _store(
        self,
        connection: AsyncConnection[Any],
        batch: Batch,
        live: LiveRound,
        topic: str,
        payload: bytes,
    ) -> Outcome:
        """Store it within the caller's transaction."""
        refusal = await _write_states(connection, live, batch.received_at)
        if refusal:
            route = parse_topic(topic.encode())
            site_id = self._sites.by_code[route.site_code].id
            batch.reject(rejection(route, INVALID, refusal, payload, site_id=site_id))
        outcome = await store(connection, batch)
        if not refusal:
            outcome.stored += len(live)
        outcome.stored += sum(
            isinstance(event.value, contract.Status | Forgotten) for event in batch.events
        )
        return outcome


async def _write_states(
    connection: AsyncConnection[Any], live: LiveRound, received_at: datetime.datetime
) -> str:
    """Write live states; the newest wins, as ever. Returns why PostgreSQL refuses them, if so."""
    if not live:
        return ""
    announcement = json.dumps({"sites": sorted(live.sites)})
    try:
        async with connection.transaction():
            await write_whole_round(connection, live, received_at, announcement)
    except DATA_ERRORS as error:
        return f"PostgreSQL refuses it: {error.diag.message_primary or error}"
    return ""


async def _make_months(connection: AsyncConnection[Any], batch: Batch) -> None:
    """Make the partitions that the batch needs, before its transaction takes any lock."""
    for month in sorted({day.replace(day=1) for _, day in batch.days}):
        await connection.execute("SELECT entry_partition_ensure(%s)", [month])


async def _one(connection: AsyncConnection[Any], statement: str, **parameters: Any) -> Any:
    cursor = await connection.execute(statement, parameters)
    return await cursor.fetchone()
