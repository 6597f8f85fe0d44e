"""The live lanes: the newest state of each pump and tank, written a few times a second.

Thousands of messages a second become one statement a round, for all pumps and tanks: between two
rounds the newest value wins in memory, in the database the newest time wins.
"""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.database import DATA_ERRORS
from ingest.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import AsyncConnection

    from ingest.contract import Pump, TankGauge

logger = logging.getLogger(__name__)

_LIVE_ROUND = load("live_round")


@dataclass(slots=True)
class _PumpRound:
    """What a pump said since the last round."""

    newest: Pump
    since: datetime.datetime
    steady: bool


@dataclass(slots=True)
class LiveRound:
    """What one round writes; bounded by the number of devices, not of messages."""

    pumps: dict[tuple[int, int], _PumpRound] = field(default_factory=dict)
    tanks: dict[tuple[int, int], TankGauge] = field(default_factory=dict)
    heard: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.pumps or self.tanks or self.heard)

    def __len__(self) -> int:
        return len(self.pumps) + len(self.tanks)

    def split(self) -> Iterator[LiveRound]:
        """Yield what it holds one by one."""
        for key, pump in self.pumps.items():
            yield LiveRound(pumps={key: pump})
        for key, gauge in self.tanks.items():
            yield LiveRound(tanks={key: gauge})
        for site_id in self.heard:
            yield LiveRound(heard={site_id})

    @property
    def sites(self) -> set[int]:
        """The sites whose pumps or tanks changed."""
        return {site_id for site_id, _ in self.pumps} | {site_id for site_id, _ in self.tanks}


class LiveStates:
    """Collects live states between two rounds."""

    def __init__(self) -> None:
        self._round = LiveRound()
        self.messages = 0

    def heard(self, site_id: int) -> None:
        """Note that a site said something."""
        self._round.heard.add(site_id)

    def pump(self, site_id: int, fuelling_point: int, pump: Pump) -> None:
        """Take a pump's state."""
        self.messages += 1
        key = (site_id, fuelling_point)
        known = self._round.pumps.get(key)
        if known is None:
            self._round.pumps[key] = _PumpRound(pump, pump.at, steady=True)
        elif pump.at >= known.newest.at:
            if pump.state != known.newest.state:
                known.since = pump.at
                known.steady = False
            known.newest = pump

    def tank(self, site_id: int, tank: int, gauge: TankGauge) -> None:
        """Take a tank's gauge reading."""
        self.messages += 1
        key = (site_id, tank)
        known = self._round.tanks.get(key)
        if known is None or gauge.at >= known.at:
            self._round.tanks[key] = gauge

    def next_round(self) -> LiveRound:
        """Hand over what was collected and begin anew."""
        done, self._round = self._round, LiveRound()
        return done

    def put_back(self, failed: LiveRound) -> None:
        """Keep what could not be written, as if what came since had come in the same round."""
        since, self._round = self._round, failed
        for key, pump in since.pumps.items():
            known = failed.pumps.get(key)
            if known is None:
                failed.pumps[key] = pump
            elif pump.newest.at >= known.newest.at:
                if not pump.steady or pump.newest.state != known.newest.state:
                    known.since = pump.since
                    known.steady = False
                known.newest = pump.newest
        for tank, gauge in since.tanks.items():
            before = failed.tanks.get(tank)
            if before is None or gauge.at >= before.at:
                failed.tanks[tank] = gauge
        failed.heard |= since.heard


async def write_round(
    connection: AsyncConnection[Any],
    live: LiveRound,
    received_at: datetime.datetime,
    announcement: str,
) -> int:
    """Write a round and announce it, in one statement. Returns how many states were written.

    A state that PostgreSQL itself refuses costs only itself: the next one takes its place.
    """
    try:
        await write_whole_round(connection, live, received_at, announcement)
    except DATA_ERRORS:
        return await _write_one_by_one(connection, live, received_at, announcement)
    return len(live)


async def _write_one_by_one(
    connection: AsyncConnection[Any],
    live: LiveRound,
    received_at: datetime.datetime,
    announcement: str,
) -> int:
    written = 0
    for part in live.split():
        try:
            await write_whole_round(connection, part, received_at, announcement)
        except DATA_ERRORS as error:
            logger.warning("PostgreSQL refuses a live state (%s): %s", part, error)
        else:
            written += len(part)
    return written


async def write_whole_round(
    connection: AsyncConnection[Any],
    live: LiveRound,
    received_at: datetime.datetime,
    announcement: str,
) -> None:
    """Write a round and announce it. psycopg errors pass through, with nothing written."""
    await connection.execute(
        _LIVE_ROUND,
        {
            "received_at": received_at,
            "announcement": announcement,
            "heard_site_id": sorted(live.heard),
            **_pump_columns(live),
            **_tank_columns(live),
        },
    )


def _pump_columns(live: LiveRound) -> dict[str, Any]:
    names = ("state", "at", "nozzle", "product", "volume", "amount", "unit_price")
    return {
        "pump_site_id": [site_id for site_id, _ in live.pumps],
        "pump_fuelling_point": [point for _, point in live.pumps],
        "pump_since": [pump.since for pump in live.pumps.values()],
        "pump_steady": [pump.steady for pump in live.pumps.values()],
        **_columns("pump", [pump.newest for pump in live.pumps.values()], names),
    }


def _tank_columns(live: LiveRound) -> dict[str, Any]:
    gauges = list(live.tanks.values())
    names = (
        "at", "product", "volume", "ullage", "capacity", "water", "temperature", "status",
    )  # fmt: skip
    return {
        "tank_site_id": [site_id for site_id, _ in live.tanks],
        "tank_tank": [tank for _, tank in live.tanks],
        "tank_alarms": [msgspec.json.encode(gauge.alarms).decode() for gauge in gauges],
        **_columns("tank", gauges, names),
    }


def _columns(prefix: str, values: list[Any], names: tuple[str, ...]) -> dict[str, list[Any]]:
    return {f"{prefix}_{name}": [getattr(value, name) for value in values] for name in names}
