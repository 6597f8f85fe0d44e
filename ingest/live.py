"""The live lanes: the newest state of each pump and tank, written a few times a second.

Thousands of messages a second become one statement for all pumps and one for all tanks: between
two rounds the newest value wins in memory, in the database the newest time wins.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.sql import load

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from ingest.contract import Pump, TankGauge

_PUMP_STATES = load("pump_states")
_TANK_STATES = load("tank_states")
_HEARD = load("heard")


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
    connection: AsyncConnection[Any], live: LiveRound, received_at: datetime.datetime
) -> int:
    """Write a round in one transaction. Returns how many states it held."""
    async with connection.transaction():
        if live.pumps:
            await connection.execute(_PUMP_STATES, _pump_columns(live, received_at))
        if live.tanks:
            await connection.execute(_TANK_STATES, _tank_columns(live, received_at))
        if live.heard:
            await connection.execute(
                _HEARD, {"site_ids": sorted(live.heard), "received_at": received_at}
            )
    return len(live.pumps) + len(live.tanks)


def _pump_columns(live: LiveRound, received_at: datetime.datetime) -> dict[str, Any]:
    pumps = live.pumps.items()
    newest = [pump.newest for _, pump in pumps]
    return {
        "received_at": received_at,
        "site_id": [site_id for (site_id, _), _ in pumps],
        "fuelling_point": [point for (_, point), _ in pumps],
        "since": [pump.since for _, pump in pumps],
        "steady": [pump.steady for _, pump in pumps],
        **_columns(newest, "state", "at", "nozzle", "product", "volume", "amount", "unit_price"),
    }


def _tank_columns(live: LiveRound, received_at: datetime.datetime) -> dict[str, Any]:
    tanks = live.tanks.items()
    newest = [gauge for _, gauge in tanks]
    return {
        "received_at": received_at,
        "site_id": [site_id for (site_id, _), _ in tanks],
        "tank": [tank for (_, tank), _ in tanks],
        "alarms": [msgspec.json.encode(gauge.alarms).decode() for gauge in newest],
        **_columns(
            newest,
            "at",
            "product",
            "volume",
            "ullage",
            "capacity",
            "water",
            "temperature",
            "status",
        ),
    }


def _columns(values: list[Any], *names: str) -> dict[str, list[Any]]:
    return {name: [getattr(value, name) for value in values] for name in names}
