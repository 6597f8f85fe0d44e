"""The outbox: commands that the console wrote for sites, published over the worker's connection.

A command is claimed by locking its row, published, and marked as sent once the broker has
acknowledged it, all in one transaction. So none is lost when the broker, the database or the
worker goes away in between; and two workers never send the same one at the same time. One whose
commit fails after the acknowledgement is sent again, which is harmless: what a site sends twice
is recognised by its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import aiomqtt

from ingest import contract
from ingest.database import PASSING_ERRORS
from ingest.sql import load
from ingest.topics import COMMANDS, SEALS
from ledger.models.command import Command

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

    from ingest.mqtt import Link

logger = logging.getLogger(__name__)

_CLAIM = load("claim_command")
_SENT = load("command_sent")
_NEWEST_SEAL = load("newest_seal")

#: A notification that was missed costs this long.
LOOK_EVERY_S = 5.0
#: The wait after a failure; commands are rare, so it need not grow.
RETRY_S = 2.0
#: A site that was asked for all since a day is asked so again after this long, and not before.
ASKED_AGAIN_AFTER_S = 120
#: How long the broker may take to acknowledge one, and so how long a row stays locked.
ACKNOWLEDGEMENT_S = 10.0


class Outbox:
    """Sends what waits. `ring` is a doorbell that says that something may."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection[Any]], *, worker_name: str
    ) -> None:
        self._pool = pool
        self._worker_name = worker_name
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Look soon whether a command waits."""
        self._rung.set()

    async def run(self, link: Link) -> None:
        """Send what waits, whenever rung and every LOOK_EVERY_S, until cancelled.

        A broker that does not answer and a database that is away are waited for; the command
        then waits too. Other errors pass through.
        """
        while True:
            self._rung.clear()
            try:
                while await self._send_next(link):
                    pass
            except (aiomqtt.MqttError, *PASSING_ERRORS) as error:
                logger.warning("outbox: %s; the command waits and is tried again", error)
                await asyncio.sleep(RETRY_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._rung.wait()

    async def _send_next(self, link: Link) -> bool:
        """Send the oldest command that nobody else is sending. Returns whether there was one."""
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(_CLAIM, {"asked_again_after_s": ASKED_AGAIN_AFTER_S})
            row = await cursor.fetchone()
            if row is None:
                return False
            command_id, kind, site_code, fiscal_day, ranges, site_id = row
            message: contract.Resend | contract.ResendSince | contract.Seal | None
            if kind == Command.Kind.SEAL:
                lane, message = SEALS, await self._newest_seal(connection, site_id)
            elif kind == Command.Kind.RESEND_SINCE:
                lane, message = COMMANDS, contract.ResendSince(since=fiscal_day)
            else:
                lane, message = COMMANDS, contract.Resend(fiscal_day=fiscal_day, ranges=ranges)
            if message is not None:
                await link.publish(
                    contract.topic(site_code, lane),
                    contract.encode(message),
                    retain=lane == SEALS,
                    timeout_s=ACKNOWLEDGEMENT_S,
                )
            await connection.execute(_SENT, {"id": command_id, "worker": self._worker_name})
        logger.info("outbox: command %s is sent to %s", command_id, site_code)
        return True

    async def _newest_seal(
        self, connection: AsyncConnection[Any], site_id: int
    ) -> contract.Seal | None:
        """Return the seal to publish; None where somebody took all seals out of the database."""
        cursor = await connection.execute(_NEWEST_SEAL, {"site_id": site_id})
        row = await cursor.fetchone()
        if row is None:
            logger.error("outbox: a seal of site %s is gone from the database", site_id)
            return None
        return contract.Seal(**dict(zip(contract.Seal.__struct_fields__, row, strict=True)))
