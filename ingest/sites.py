"""The registered sites as the worker knows them: a copy in memory, renewed when told to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.sql import load
from ledger.plain import PlainTextError, plain_text

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection

    from psycopg import AsyncConnection

_SITES = load("sites")
#: How long a code stays unknown without asking again: what a flood from strangers may cost.
UNKNOWN_FOR_S = 1.0
#: How many unknown codes are remembered.
UNKNOWN_CODES_MAX = 10_000


class SiteConfig(NamedTuple):
    """What the worker needs of a site."""

    id: int
    timezone: str
    products: frozenset[str]
    fuelling_points: frozenset[int]
    #: What is dated before it is implausible (`ledger.plausible`).
    first_day: datetime.date


class SiteRegistry:
    """Sites by code."""

    def __init__(self) -> None:
        self.by_code: dict[str, SiteConfig] = {}
        self._unknown_until: dict[str, float] = {}

    async def load(self, connection: AsyncConnection[Any]) -> None:
        """Read all sites anew; what was unknown may be known now."""
        cursor = await connection.execute(_SITES, {"codes": None})
        self.by_code = {code: _config(row) for code, row in _by_code(await cursor.fetchall())}
        self._unknown_until.clear()

    async def look_up(
        self, connection: AsyncConnection[Any], codes: Collection[str], *, at_once: bool = False
    ) -> None:
        """Ask for codes that are not in memory: nobody is unknown who was just registered.

        `at_once` asks also for those that were unknown a moment ago.
        """
        now = time.monotonic()
        asked = [code for code in codes if at_once or self._unknown_until.get(code, 0.0) < now]
        if not asked:
            return
        cursor = await connection.execute(_SITES, {"codes": asked})
        for code, row in _by_code(await cursor.fetchall()):
            self.by_code[code] = _config(row)
        if len(self._unknown_until) + len(asked) > UNKNOWN_CODES_MAX:
            self._unknown_until.clear()
        for code in asked:
            if code not in self.by_code:
                self._unknown_until[code] = now + UNKNOWN_FOR_S


def _by_code(rows: list[Any]) -> list[tuple[str, Any]]:
    return [(row[1], row) for row in rows]


def _config(row: Any) -> SiteConfig:
    site_id, _, timezone, products, fuelling_points, first_day = row
    return SiteConfig(
        site_id,
        timezone,
        frozenset(map(_comparable, products)),
        frozenset(fuelling_points),
        first_day,
    )


def _comparable(code: str) -> str:
    """Return a product's code as messages are compared with it, however it was registered."""
    try:
        return plain_text(code)
    except PlainTextError:
        return code  # no message can name it
