"""What to do when the broker forgot the worker's session, and with it what it had kept.

A broker that was restarted without its memory, or whose session somebody ended, says so as the
worker connects: there is no session, where there was one. Acknowledged messages may be lost then.
The sites keep theirs until they are sealed, so they are asked to send them again: what the ledger
has already is recognised by its key. What the broker retained for the sites may be gone as well, so
their newest seals are published again.
"""

from __future__ import annotations

import datetime
import logging
from typing import TYPE_CHECKING, Any

from ingest.sql import load

if TYPE_CHECKING:
    from psycopg import AsyncConnection

logger = logging.getLogger(__name__)

_ASK_SINCE = load("ask_since")
_SESSION_LOST = load("session_lost")
_SEALS_AGAIN = load("seals_again")

#: A day that is open for longer than this is not asked for again as a whole.
OPEN_DAYS_MAX = 7


async def ask_sites(connection: AsyncConnection[Any], *, worker: str) -> int | None:
    """Ask all sites for what they sent since the worker was connected. Returns how many.

    None for a worker that never was: it had no session to lose. Seals are published again in either
    case, since another worker may have put them there. One transaction, which waits for
    another worker's of the same kind; psycopg errors pass through, with nobody asked.
    """
    now = datetime.datetime.now(datetime.UTC)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('ingest session lost'))")
        await connection.execute(_SEALS_AGAIN, {"now": now})
        cursor = await connection.execute(
            "SELECT connected_at FROM ingest_worker WHERE name = %s", [worker]
        )
        row = await cursor.fetchone()
        if row is None or row[0] is None:
            return None
        lost_since = row[0]
        cursor = await connection.execute(
            _ASK_SINCE,
            {
                "now": now,
                "lost_since": lost_since,
                "open_days": OPEN_DAYS_MAX,
            },
        )
        sites = cursor.rowcount
        await connection.execute(
            _SESSION_LOST,
            {"now": now, "lost_since": lost_since, "sites": sites, "worker": worker},
        )
    logger.warning(
        "broker: the session of %r is gone; messages since %s may be lost; %s sites are asked "
        "to send them again",
        worker, lost_since, sites,
    )  # fmt: skip
    return sites
