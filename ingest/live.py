"""The live lanes: the newest state of each pump and tank, written a few times a second.

Thousands of messages a second become one statement a round, for all pumps and tanks. Between two
rounds the newest wins in memory, then in the database, both by the one rule of `ingest.newest`.

A site may also have a state forgotten (an empty retained payload). That takes away whatever is
known, with its time, so that what is told later counts whatever its time says. Should a message
from before come once more after it (a broker sends what was not acknowledged again, in its order,
so only another worker of a shared subscription can bring that about), the device shows that state
until it is told or forgotten anew: better a pump too many for a while than one that stays hidden.
"""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.database import DATA_ERRORS
from ingest.newest import newest_wins
from ingest.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import AsyncConnection

    from ingest.contract import Pump, TankGauge

logger = logging.getLogger(__name__)

_LIVE_ROUND = load("live_round")
_FORGET_STATES = load("forget_states")

#: (site id, number of the pump or tank)
_Key = tuple[int, int]


@dataclass(slots=True)
class _PumpRound:
    """What a pump said since the last round."""

    newest: Pump
    received_at: datetime.datetime
    since: datetime.datetime
    steady: bool

    def add(self, later: _PumpRound) -> None:
        """Add what came after it."""
        if later.steady:
            self.add_state(later.newest, later.received_at, later.since)
        elif self._gives_way_to(later.newest, later.received_at):
            self.newest, self.received_at = later.newest, later.received_at
            self.since, self.steady = later.since, False

    def add_state(
        self, pump: Pump, received_at: datetime.datetime, since: datetime.datetime
    ) -> None:
        """Add a state that came after it; `since` goes on while the state is the same."""
        if not self._gives_way_to(pump, received_at):
            return
        if pump.state != self.newest.state:
            self.since, self.steady = since, False
        self.newest, self.received_at = pump, received_at

    def _gives_way_to(self, pump: Pump, received_at: datetime.datetime) -> bool:
        return newest_wins(pump.at, received_at, self.newest.at, self.received_at)


@dataclass(slots=True)
class _TankRound:
    """The newest that a tank's gauge said since the last round."""

    newest: TankGauge
    received_at: datetime.datetime

    def add(self, gauge: TankGauge, received_at: datetime.datetime) -> None:
        """Add a reading that came after it."""
        if newest_wins(gauge.at, received_at, self.newest.at, self.received_at):
            self.newest, self.received_at = gauge, received_at


@dataclass(slots=True)
class LiveRound:
    """What one round writes; bounded by the number of devices, not of messages.

    What is to be forgotten is forgotten before the states are written.
    """

    pumps: dict[_Key, _PumpRound] = field(default_factory=dict)
    tanks: dict[_Key, _TankRound] = field(default_factory=dict)
    heard: set[int] = field(default_factory=set)
    forgotten_pumps: set[_Key] = field(default_factory=set)
    forgotten_tanks: set[_Key] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.heard or len(self))

    def __len__(self) -> int:
        return len(self.pumps.keys() | self.forgotten_pumps) + len(
            self.tanks.keys() | self.forgotten_tanks
        )

    @property
    def forgets(self) -> bool:
        """Whether a state is to be forgotten."""
        return bool(self.forgotten_pumps or self.forgotten_tanks)

    def split(self) -> Iterator[LiveRound]:
        """Yield what it holds one by one."""
        if self.forgets:
            yield LiveRound(
                forgotten_pumps=self.forgotten_pumps, forgotten_tanks=self.forgotten_tanks
            )
        for key, pump in self.pumps.items():
            yield LiveRound(pumps={key: pump})
        for key, gauge in self.tanks.items():
            yield LiveRound(tanks={key: gauge})
        for site_id in self.heard:
            yield LiveRound(heard={site_id})

    @property
    def sites(self) -> set[int]:
        """The sites whose pumps or tanks changed."""
        changed = (self.pumps, self.tanks, self.forgotten_pumps, self.forgotten_tanks)
        return {site_id for keys in changed for site_id, _ in keys}


class LiveStates:
    """Collects live states between two rounds."""

    def __init__(self) -> None:
        self._round = LiveRound()
        self.messages = 0

    def heard(self, site_id: int) -> None:
        """Note that a site said something."""
        self._round.heard.add(site_id)

    def pump(
        self, site_id: int, fuelling_point: int, pump: Pump, received_at: datetime.datetime
    ) -> None:
        """Take a pump's state."""
        self.messages += 1
        key = (site_id, fuelling_point)
        at = pump.at
        # What was received has happened.
        since = at if at <= received_at else received_at
        known = self._round.pumps.get(key)
        if known is None:
            self._round.pumps[key] = _PumpRound(pump, received_at, since, steady=True)
        else:
            known.add_state(pump, received_at, since)

    def tank(
        self, site_id: int, tank: int, gauge: TankGauge, received_at: datetime.datetime
    ) -> None:
        """Take a tank's gauge reading."""
        self.messages += 1
        key = (site_id, tank)
        known = self._round.tanks.get(key)
        if known is None:
            self._round.tanks[key] = _TankRound(gauge, received_at)
        else:
            known.add(gauge, received_at)

    def forget_pump(self, site_id: int, fuelling_point: int) -> None:
        """Take away what a pump said so far."""
        self.messages += 1
        self._round.pumps.pop((site_id, fuelling_point), None)
        self._round.forgotten_pumps.add((site_id, fuelling_point))

    def forget_tank(self, site_id: int, tank: int) -> None:
        """Take away what a tank's gauge said so far."""
        self.messages += 1
        self._round.tanks.pop((site_id, tank), None)
        self._round.forgotten_tanks.add((site_id, tank))

    def next_round(self) -> LiveRound:
        """Hand over what was collected and begin anew."""
        done, self._round = self._round, LiveRound()
        return done

    def put_back(self, failed: LiveRound) -> None:
        """Keep what could not be written, as if what came since had come in the same round."""
        since, self._round = self._round, failed
        for key in since.forgotten_pumps:
            failed.pumps.pop(key, None)
        for key in since.forgotten_tanks:
            failed.tanks.pop(key, None)
        failed.forgotten_pumps |= since.forgotten_pumps
        failed.forgotten_tanks |= since.forgotten_tanks
        for key, pump in since.pumps.items():
            if key in failed.pumps:
                failed.pumps[key].add(pump)
            else:
                failed.pumps[key] = pump
        for key, tank in since.tanks.items():
            if key in failed.tanks:
                failed.tanks[key].add(tank.newest, tank.received_at)
            else:
                failed.tanks[key] = tank
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
    parameters = {
        "received_at": received_at,
        "announcement": announcement,
        "heard_site_id": sorted(live.heard),
        **_pump_columns(live),
        **_tank_columns(live),
    }
    if not live.forgets:
        await connection.execute(_LIVE_ROUND, parameters)
        return
    async with connection.transaction():
        await connection.execute(
            _FORGET_STATES,
            {
                **_key_columns("pump_site_id", "pump_fuelling_point", live.forgotten_pumps),
                **_key_columns("tank_site_id", "tank_tank", live.forgotten_tanks),
            },
        )
        await connection.execute(_LIVE_ROUND, parameters)


def _key_columns(site_id: str, number: str, keys: Iterable[_Key]) -> dict[str, list[int]]:
    ordered = sorted(keys)
    return {site_id: [key[0] for key in ordered], number: [key[1] for key in ordered]}


def _pump_columns(live: LiveRound) -> dict[str, Any]:
    names = ("state", "at", "nozzle", "product", "volume", "amount", "unit_price")
    return {
        "pump_site_id": [site_id for site_id, _ in live.pumps],
        "pump_fuelling_point": [point for _, point in live.pumps],
        "pump_received_at": [pump.received_at for pump in live.pumps.values()],
        "pump_since": [pump.since for pump in live.pumps.values()],
        "pump_steady": [pump.steady for pump in live.pumps.values()],
        **_columns("pump", [pump.newest for pump in live.pumps.values()], names),
    }


def _tank_columns(live: LiveRound) -> dict[str, Any]:
    gauges = [tank.newest for tank in live.tanks.values()]
    names = (
        "at", "product", "volume", "ullage", "capacity", "water", "temperature", "status",
    )  # fmt: skip
    return {
        "tank_site_id": [site_id for site_id, _ in live.tanks],
        "tank_tank": [tank for _, tank in live.tanks],
        "tank_received_at": [tank.received_at for tank in live.tanks.values()],
        "tank_alarms": [msgspec.json.encode(gauge.alarms).decode() for gauge in gauges],
        **_columns("tank", gauges, names),
    }


def _columns(prefix: str, values: list[Any], names: tuple[str, ...]) -> dict[str, list[Any]]:
    return {f"{prefix}_{name}": [getattr(value, name) for value in values] for name in names}
