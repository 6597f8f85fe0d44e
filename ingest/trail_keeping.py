"""A worker's part in the audit trail: it links events, and keeps a copy of the seals.

Who records an event waits for nobody; the worker links it within a second (`ledger.trail`). The
copy (`ledger.seal_series`) lies outside of the database, so that nobody who may write there alone
cuts off the newest seals unnoticed. It is added to as soon as a day is sealed, and from time to
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.cancellation import heed_cancellation
from ingest.database import PASSING_ERRORS
from ledger.seal_series import Added, SeriesError, Steps, adding

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

    Pool = AsyncConnectionPool[AsyncConnection[Any]]

logger = logging.getLogger(__name__)

LINK_EVERY_S = 1.0
#: Events that are linked at once: who seals a day waits for no more than these.
LINKED_AT_ONCE_MAX = 10_000
#: A notification that was missed costs this long, and the trail's head is kept as often.
ADD_EVERY_S = 600.0
#: The wait after a failure.
RETRY_S = 10.0

_LINK = "SELECT audit_link_events(false, %s)"


async def link_events(pool: Pool) -> None:
    """Link the events that wait, again and again, until cancelled.

    A database that is away is waited for. Other errors pass through.
    """
    while True:
        heed_cancellation()
        await asyncio.sleep(LINK_EVERY_S)
        try:
            async with pool.connection() as connection:
                await connection.execute(_LINK, [LINKED_AT_ONCE_MAX])
        except PASSING_ERRORS as error:
            logger.warning("database: %s; events of the audit trail are linked later", error)


class SealKeeper:
    """Adds to the copy of the seals. `ring` is a doorbell that says that a day may be sealed."""

    def __init__(self, pool: Pool, path: Path | None) -> None:
        self._pool = pool
        self._path = path
        self._rung = asyncio.Event()
        self._complaint = ""

    def ring(self) -> None:
        """Look soon whether there is a new seal."""
        self._rung.set()

    async def run(self) -> None:
        """Add what is new, whenever rung and every ADD_EVERY_S, until cancelled.

        A database that is away is waited for, and so is somebody who mends what is wrong with the
        copy, which is said once.
        """
        while self._path is not None:
            heed_cancellation()
            self._rung.clear()
            try:
                added = await self._add(self._path)
            except PASSING_ERRORS as error:
                logger.warning("database: %s; the copy of the seals is added to later", error)
                await asyncio.sleep(RETRY_S)
                continue
            except SeriesError as error:
                if str(error) != self._complaint:
                    logger.error("the copy of the seals: %s", error)  # noqa: TRY400 it says why
                    self._complaint = str(error)
            else:
                self._complaint = ""
                if added.seals:
                    logger.info("%s seals are added to %s", added.seals, self._path)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ADD_EVERY_S):
                    await self._rung.wait()

    async def _add(self, path: Path) -> Added:
        """Add what is linked; files are written in a thread, which a disk may hold up."""
        steps = adding(path, now=datetime.datetime.now(datetime.UTC))
        rows: list[tuple[Any, ...]] | None = None
        while True:
            asked = await asyncio.to_thread(_step, steps, rows)
            if isinstance(asked, Added):
                return asked
            async with self._pool.connection() as connection:
                cursor = await connection.execute(*asked)
                rows = await cursor.fetchall()


def _step(steps: Steps, rows: list[tuple[Any, ...]] | None) -> tuple[str, dict[str, Any]] | Added:
    """Go on with an answer; return what is asked next, or what was added in the end."""
    try:
        return next(steps) if rows is None else steps.send(rows)
    except StopIteration as done:
        return done.value
