"""The worker: receive, decode, batch, commit, acknowledge.

    broker ─▶ Link ─▶ receive ─▶ [batch being filled] ─▶ commit ─▶ acknowledge
                        └─▶ live states ─▶ tick (a few times a second) ─▶ acknowledge
    broker ◀─ Link ◀─ outbox ◀─ commands that the console wrote for sites
    quarantine ─▶ releases ─▶ decode ─▶ commit: what people released goes the same way
    last sales ─▶ silences: which fuelling points look dead
    audit trail ─▶ links; seals ─▶ their copy outside of the database

While one batch is being committed the next one fills, so batches grow by themselves as the load
does. All is bounded: a full batch stops the receiving, a full inbox stops the reading of the
socket, and the broker keeps what was not acknowledged. A lost broker or database is waited for;
what was not acknowledged comes again and is recognised by its key.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import TYPE_CHECKING, Any

from ingest.cancellation import cancel
from ingest.database import make_pool
from ingest.lease import held_lease
from ingest.metrics import Tally
from ingest.options import WorkerOptions
from ingest.pulse import Reporter
from ingest.session import PASSING, Session
from ingest.waiting import Backoff, first_of

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

#: How long a stop waits for what is at hand, when database or broker do not answer.
STOP_GRACE_S = 5.0


class Worker:
    """One ingest worker. `run` returns when `stop` was called and the last batch is stored."""

    def __init__(
        self, options: WorkerOptions, *, on_pulse: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.options = options
        self.tally = Tally()
        self._reporter = Reporter(options.name, datetime.datetime.now(datetime.UTC))
        self._on_pulse = on_pulse
        self._stopping = asyncio.Event()
        self._is_working = False
        #: Whether messages may be left that this worker would have stored.
        self.left_something = False

    def stop(self) -> None:
        """Finish the batch at hand, acknowledge it, and leave."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped, through losses of database and broker.

        An error that does not pass by itself (a missing table, a bug) ends the worker. After a
        stop `left_something` tells whether the database or the broker was away, so that messages
        wait at the broker.
        """
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                await self._run_session_or_stop(backoff)
            except* PASSING as errors:
                self.left_something = True
                if not self._stopping.is_set():
                    logger.warning("database: %s; trying again", _first(errors))
                    await self._pause(backoff)

    async def _run_session_or_stop(self, backoff: Backoff) -> None:
        """Run a session; a stop ends it by itself, or cancels it while it still waits to begin."""
        session = asyncio.create_task(self._run_session(backoff))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((session, stopped), return_when=asyncio.FIRST_COMPLETED)
            if self._is_working:
                await asyncio.wait((session,), timeout=STOP_GRACE_S)
                self.left_something |= not session.done()
            if session.done():
                await session
        finally:
            stopped.cancel()
            await cancel(session)

    async def _pause(self, backoff: Backoff) -> None:
        await first_of(backoff.wait(), self._stopping.wait())

    async def _run_session(self, backoff: Backoff) -> None:
        """Work for as long as the database connection that holds our name lives."""
        name = self.options.name
        async with (
            held_lease(name, on_standby=self._stand_by) as lease,
            make_pool(application_name=f"ingest {name}") as pool,
        ):
            session = Session(
                self.options, pool, self._stopping, self._on_pulse, self.tally, self._reporter
            )
            await session.prepare()
            backoff.reset()
            self.left_something = False
            self._is_working = self.tally.holds_name = True
            self.tally.stands_by = False
            try:
                async with asyncio.TaskGroup() as tasks:
                    watch = tasks.create_task(
                        lease.watch(
                            on_sites_changed=session.reload_sites,
                            on_commands=session.ring_commands,
                            on_releases=session.releases.ring,
                        )
                    )
                    await session.work()
                    self.left_something = session.is_cut_off
                    watch.cancel()
            finally:
                self._is_working = self.tally.holds_name = False
                # What a session that ended by a loss counted since its last pulse.
                self.tally.add(session.take_meter())

    def _stand_by(self) -> None:
        self.tally.stands_by = True


def _first(errors: BaseExceptionGroup) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
