"""A session: what a worker does between two losses of the database.

It keeps connected to the broker, fills one batch while it commits another, and looks by the clock
after live states, pulses and partitions. `ingest.worker` draws how it fits together.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import aiomqtt

from ingest import mqtt
from ingest.batch import Batch
from ingest.cancellation import cancel, heed_cancellation
from ingest.database import PASSING_ERRORS
from ingest.intake import Intake
from ingest.lease import LeaseLost
from ingest.live import LiveStates, write_round
from ingest.lost_session import ask_sites
from ingest.metrics import Tally
from ingest.options import WorkerOptions
from ingest.outbox import Outbox
from ingest.pulse import Meter, Reporter, prune_pulses, write_pulse
from ingest.releases import Releases
from ingest.silences import watch_silences
from ingest.sites import SiteRegistry
from ingest.store import Outcome, store
from ingest.trail_keeping import SealKeeper, link_events
from ingest.waiting import Backoff, first_of
from ledger.models.operations import IngestWorker
from ledger.site_codes import CLIENT_ID_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

logger = logging.getLogger(__name__)

#: How many messages are decoded (some 0.4 ms) before the loop looks after the others: a commit
#: waits for its database several times, and each time for the slice at hand.
SLICE_MESSAGES = 64
#: How long a batch waits for company. Under load the commit before it is wait enough; this is
#: what a lone sale pays so that those that come with it share its commit.
LINGER_S = 0.001
TICK_S = 0.25
PULSE_S = 1.0
#: More changed sites than this in one tick are announced as "any".
ANNOUNCED_SITES_MAX = 500
MONTHS_AHEAD = 3
HOUSEKEEPING_S = 3600.0
#: A worker that commits one batch for longer than this stands still, and says so.
STANDING_STILL_S = 5.0

#: What a session or its next attempt outlives.
PASSING = (*PASSING_ERRORS, LeaseLost, OSError)


class Session:
    """What a worker does between two losses of the database."""

    def __init__(
        self,
        options: WorkerOptions,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        stopping: asyncio.Event,
        on_pulse: Callable[[dict[str, Any]], None] | None,
        tally: Tally,
        reporter: Reporter,
    ) -> None:
        self.options = options
        self.tally = tally
        self.reporter = reporter
        self.pool = pool
        self.stopping = stopping
        self.on_pulse = on_pulse
        self.sites = SiteRegistry()
        self.live = LiveStates()
        self.intake = Intake(self.sites, self.live, options.share)
        self.meter = Meter()
        self.outbox = Outbox(pool, worker_name=options.name)
        self.releases = Releases(
            pool, self.sites, worker_name=options.name, on_replayed=self._count_replayed
        )
        self.seal_keeper = SealKeeper(pool, options.series)
        self.changed_sites: set[int] = set()
        self.known_months: set[tuple[int, int]] = set()
        self.link: mqtt.Link | None = None
        #: Whether the broker is away, or was to the end.
        self.is_cut_off = True
        # The hand-over between receiving and committing.
        self.batch = Batch()
        self.filled = asyncio.Event()
        self.emptied = asyncio.Event()
        self.is_last_batch = False
        #: When the batch at hand began to be committed, None while there is none.
        self.committing_since: float | None = None
        self.live_packet_ids: list[int] = []
        tally.held = self.held

    def held(self) -> tuple[int, int]:
        """Return how many messages the batch being filled holds, and the inbox before it."""
        return self.batch.messages, self.link.held if self.link else 0

    async def prepare(self) -> None:
        """Know the sites and have the coming months' partitions before the first message."""
        async with self.pool.connection() as connection:
            await self.sites.load(connection)
            await self._keep_house(connection)

    async def reload_sites(self) -> None:
        """Read the sites anew."""
        async with self.pool.connection() as connection:
            await self.sites.load(connection)

    def ring_commands(self) -> None:
        """Look soon whether a command waits: who seals a day writes one."""
        self.outbox.ring()
        self.seal_keeper.ring()

    async def work(self) -> None:
        """Receive and store until stopped; then store what was received and leave."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._tick()),
                tasks.create_task(self._pulse()),
                tasks.create_task(self._housekeeping()),
                tasks.create_task(self.releases.run()),
                tasks.create_task(watch_silences(self.pool)),
                tasks.create_task(link_events(self.pool)),
                tasks.create_task(self.seal_keeper.run()),
            ]
            await self._receive_from_broker()
            for helper in helpers:
                helper.cancel()
        # A last round, so that the final second is on record too.
        await self._write_live()
        await self._write_pulse(is_last=True)

    # --- broker ---------------------------------------------------------------------------------

    async def _receive_from_broker(self) -> None:
        """Keep connected to the broker until stopped."""
        backoff = Backoff()
        while not self.stopping.is_set():
            try:
                async with mqtt.connected(
                    self.options.broker,
                    client_id=f"{CLIENT_ID_PREFIX}{self.options.name}",
                    subscriptions=[self.options.subscription],
                ) as link:
                    logger.info("connected to the broker as %r", self.options.name)
                    self.tally.counts["broker_connections"] += 1
                    backoff.reset()
                    if not link.has_session:
                        await self._ask_for_what_is_lost()
                    self.is_cut_off = False
                    await self._work_on(link)
            except aiomqtt.MqttError as error:
                heed_cancellation()
                self.is_cut_off = True
                if self.stopping.is_set():
                    return
                logger.warning("broker: %s; trying again", error)
                await first_of(backoff.wait(), self.stopping.wait())

    async def _ask_for_what_is_lost(self) -> None:
        """Have the sites asked for what the broker forgot, before the first message is taken.

        Until then the worker's row says since when it is without a session. A database that is
        away is waited for: nothing could be stored either.
        """
        backoff = Backoff()
        while not self.stopping.is_set():
            try:
                async with self.pool.connection() as connection:
                    asked = await ask_sites(connection, worker=self.options.name)
            except PASSING_ERRORS as error:
                logger.warning("database: %s; the sites are asked later", error)
                await first_of(backoff.wait(), self.stopping.wait())
            else:
                self.tally.counts["sessions_lost"] += asked is not None
                return

    async def _work_on(self, link: mqtt.Link) -> None:
        """Receive and commit on one connection. MqttError when it is lost."""
        # What a former connection left is not acknowledged and comes again on this one.
        self.batch = Batch()
        self.filled.clear()
        self.live_packet_ids.clear()
        self.link = link
        self.tally.is_connected = True
        receiving = asyncio.create_task(self._receive(link))
        committing = asyncio.create_task(self._commit_for_ever(link))
        sending = asyncio.create_task(self.outbox.run(link))
        stopped = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait(
                (receiving, committing, sending, stopped), return_when=asyncio.FIRST_COMPLETED
            )
            if self.stopping.is_set() and not committing.done():
                # Finish the batch at hand and the one behind it, then leave.
                await cancel(receiving)
                self.is_last_batch = True
                self.filled.set()
                await asyncio.wait((committing,))
        finally:
            self.link = None
            link.is_open = False
            self.tally.is_connected = False
            stopped.cancel()
            await cancel(receiving)
            await cancel(sending)
            await cancel(committing)
        for task in (committing, receiving, sending):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _receive(self, link: mqtt.Link) -> None:
        """Decode what arrives into the batch that is being filled."""
        async for chunks in link.chunks():
            for chunk in chunks:
                position = 0
                while position < len(chunk.messages):
                    while self.batch.is_full:
                        self.emptied.clear()
                        await self.emptied.wait()
                    piece = chunk.messages[position : position + SLICE_MESSAGES]
                    position += self.intake.take(self.batch, chunk.received_at, piece)
                    self.filled.set()
                    await asyncio.sleep(0)

    # --- commit ---------------------------------------------------------------------------------

    async def _commit_for_ever(self, link: mqtt.Link) -> None:
        """Take the filled batch, store it, acknowledge it; again and again."""
        while True:
            heed_cancellation()
            await self.filled.wait()
            if not self.batch.is_full and not self.is_last_batch:
                await asyncio.sleep(LINGER_S)
            self.filled.clear()
            batch, self.batch = self.batch, Batch()
            self.emptied.set()
            if batch:
                self.committing_since = time.monotonic()
                try:
                    await self._commit(batch)
                finally:
                    self.committing_since = None
                link.acknowledge(batch.packet_ids)
                self.live_packet_ids += batch.live_packet_ids
            if self.is_last_batch and not self.batch:
                return

    async def _commit(self, batch: Batch) -> None:
        """Store a batch, however often the database has to be asked."""
        backoff = Backoff()
        while True:
            try:
                outcome = await self._store(batch)
                break
            except PASSING as error:
                heed_cancellation()
                logger.warning("database: %s; the batch is kept and tried again", error)
                self.meter.commit_retries += 1
                await backoff.wait()
        if outcome is not None:
            self._count(batch, outcome)

    def _count(self, batch: Batch, outcome: Outcome) -> None:
        self.meter.committed(batch, outcome)
        self.changed_sites |= {site_id for site_id, _ in batch.days}
        self.changed_sites |= {event.site_id for event in batch.events}

    def _count_replayed(self, batch: Batch, outcome: Outcome) -> None:
        """Count what was released from quarantine, but not how long ago it was received."""
        self.intake.received += batch.messages
        batch.receipts.clear()
        batch.occurred_at.clear()
        self._count(batch, outcome)

    async def _store(self, batch: Batch) -> Outcome | None:
        """Store a batch; None when it held nothing but live states."""
        if not batch.strangers and not batch.has_anything_to_store:
            return None
        async with self.pool.connection() as connection:
            if batch.strangers:
                await self.sites.look_up(
                    connection, {route.site_code for route, *_ in batch.strangers}
                )
                self.intake.settle_strangers(batch)
            await self._make_months(connection, batch)
            return await store(connection, batch)

    async def _make_months(self, connection: AsyncConnection[Any], batch: Batch) -> None:
        """Make the partitions that the batch needs, before its transaction takes any lock."""
        months = {(day.year, day.month) for _, day in batch.days}
        for year, month in sorted(months - self.known_months):
            await connection.execute(
                "SELECT entry_partition_ensure(%s)", [datetime.date(year, month, 1)]
            )
            self.known_months.add((year, month))

    # --- by the clock ---------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            heed_cancellation()
            await asyncio.sleep(TICK_S)
            try:
                await self._write_live()
            except PASSING as error:
                logger.warning("database: %s; live states are kept and tried again", error)

    async def _write_live(self) -> None:
        """Write the live states of a round, ring for all that changed, acknowledge."""
        live = self.live.next_round()
        # The numbers mean something to the connection they came on, which may be another one by
        # the time that the round is written.
        link = self.link
        packet_ids, self.live_packet_ids = self.live_packet_ids, []
        changed, self.changed_sites = self.changed_sites | live.sites, set()
        self.meter.live += self.live.messages
        self.live.messages = 0
        try:
            if live:
                async with self.pool.connection() as connection:
                    self.meter.live_written += await write_round(
                        connection,
                        live,
                        datetime.datetime.now(datetime.UTC),
                        _announcement(changed),
                    )
            elif changed:
                await self._announce(_announcement(changed))
        except PASSING:
            self.live.put_back(live)
            self.changed_sites |= changed
            if self.link is link:
                self.live_packet_ids = packet_ids + self.live_packet_ids
            raise
        if link is not None:
            link.acknowledge(packet_ids)

    async def _announce(self, announcement: str) -> None:
        """Ring the doorbell of the web processes; a lost ring heals with the next."""
        async with self.pool.connection() as connection:
            await connection.execute("SELECT pg_notify('ledger_changes', %s)", [announcement])

    async def _pulse(self) -> None:
        due = time.monotonic()
        while True:
            heed_cancellation()
            due += PULSE_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                await self._write_pulse()
            except PASSING as error:
                logger.warning("database: %s; this second's pulse is lost", error)

    def take_meter(self) -> Meter:
        """Return what was counted since the last time, and begin anew."""
        meter, self.meter = self.meter, Meter()
        meter.received, self.intake.received = self.intake.received, 0
        return meter

    async def _write_pulse(self, *, is_last: bool = False) -> None:
        meter = self.take_meter()
        row = meter.row()
        self.tally.add(meter)
        backlog = sum(self.held())
        state = IngestWorker.State.STOPPED if is_last else self._state()
        if self.on_pulse is not None:
            self.on_pulse({**row, "backlog": backlog, "state": state})
        async with self.pool.connection() as connection:
            await write_pulse(
                connection,
                reporter=self.reporter,
                at=datetime.datetime.now(datetime.UTC),
                state=state.value,
                row=row,
                backlog=backlog,
                is_connected=self.link is not None,
            )
        await self._announce(_announcement(set(), pulse=True))

    def _state(self) -> IngestWorker.State:
        if self.link is None:
            return IngestWorker.State.DISCONNECTED
        since = self.committing_since
        if since is not None and time.monotonic() - since > STANDING_STILL_S:
            return IngestWorker.State.STANDING_STILL
        return IngestWorker.State.CONNECTED

    async def _housekeeping(self) -> None:
        while True:
            heed_cancellation()
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                async with self.pool.connection() as connection:
                    await self._keep_house(connection)
            except PASSING as error:
                logger.warning("database: %s; housekeeping waits for the next hour", error)

    async def _keep_house(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute("SELECT entry_partitions_ahead(%s)", [MONTHS_AHEAD])
        await prune_pulses(connection)


def _announcement(changed: set[int], *, pulse: bool = False) -> str:
    """Say which sites changed, and whether a pulse was stored."""
    sites = sorted(changed) if len(changed) <= ANNOUNCED_SITES_MAX else None
    return json.dumps({"sites": sites} | ({"pulse": True} if pulse else {}))
