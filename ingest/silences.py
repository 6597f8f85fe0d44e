"""Which fuelling points look dead, found out for the whole network while nobody asks."""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import TYPE_CHECKING, Any

from ingest.cancellation import heed_cancellation
from ingest.database import PASSING_ERRORS
from ledger.selectors.silence import JUDGE_SILENCES, JUDGED_MAX, judge_parameters

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

logger = logging.getLogger(__name__)

#: A point is silent for half an hour before it looks dead, so this is soon enough.
LOOK_EVERY_S = 30.0
#: While there are more points to look at than one look takes.
NEXT_LOOK_S = 1.0
#: Any number that nothing else locks by: one worker looks at a time, the others need not.
_LOCK = 7_104_202


async def watch_silences(pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
    """Judge the silence of fuelling points again and again, until cancelled.

    A database that is away is waited for. Other errors pass through.
    """
    wait_s = LOOK_EVERY_S
    while True:
        heed_cancellation()
        await asyncio.sleep(wait_s)
        wait_s = LOOK_EVERY_S
        try:
            async with pool.connection() as connection:
                looked_at = await judge_silences(connection, datetime.datetime.now(datetime.UTC))
        except PASSING_ERRORS as error:
            logger.warning("database: %s; silent fuelling points are looked for later", error)
        else:
            if looked_at == JUDGED_MAX:
                wait_s = NEXT_LOOK_S


async def judge_silences(connection: AsyncConnection[Any], now: datetime.datetime) -> int:
    """Look at the points that may be dead, JUDGED_MAX at most; return how many were looked at.

    Looks at none while another worker does.
    """
    async with connection.transaction():
        cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if (row := await cursor.fetchone()) is None or not row[0]:
            return 0
        return (await connection.execute(JUDGE_SILENCES, judge_parameters(now))).rowcount
