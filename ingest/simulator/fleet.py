"""A fleet of simulated sites on their connections to the broker, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from ingest import contract
from ingest.mqtt import BrokerAddress
from ingest.publisher import Publisher
from ingest.simulator.journal import Journal
from ingest.simulator.seals import KeptSeals
from ingest.simulator.site import Plan, SimulatedSite, status
from ingest.topics import COMMANDS, SEALS
from ledger.demo_sites import DemoSite

logger = logging.getLogger(__name__)

#: Up to so many sites have a connection each, as real ones have. More sites share these. A
#: connection has one last will, so on a shared one only its first site's status turns offline
#: when the simulator dies without a word; the others are found out by their silence.
CONNECTIONS_MAX = 50
#: How long a stop waits for the broker to hear that the sites are offline.
GOODBYE_SECONDS = 4.0


async def run_fleet(
    sites: Sequence[DemoSite],
    *,
    plan: Plan,
    journal: Journal,
    address: BrokerAddress,
    stop: asyncio.Event,
) -> None:
    """Play the sites until `stop` is set, then let each say that it is offline.

    A site that fails stops the fleet with its error.
    """
    count = min(len(sites), CONNECTIONS_MAX)
    seals = KeptSeals(journal.seals_path)
    lines = [
        # A lost broker is lost to all: one line says so for them.
        _line(
            *(sites[n::count], plan, journal, seals, address),
            log=logger.debug if n else logger.warning,
        )
        for n in range(count)
    ]
    async with asyncio.TaskGroup() as tasks:
        publishing = [tasks.create_task(publisher.run()) for publisher, _ in lines]
        players = [player for _, players in lines for player in players]
        playing = [tasks.create_task(player.run()) for player in players]
        await stop.wait()
        for player in players:
            player.stop()
        _, late = await asyncio.wait(playing, timeout=GOODBYE_SECONDS)
        for task in (*late, *publishing):
            task.cancel()


def _line(
    sites: Sequence[DemoSite],
    plan: Plan,
    journal: Journal,
    seals: KeptSeals,
    address: BrokerAddress,
    *,
    log: Callable[[str], None],
) -> tuple[Publisher, list[SimulatedSite]]:
    """Make one connection and the sites that use it."""
    players: dict[str, SimulatedSite] = {}

    def connected() -> None:
        for player in players.values():
            player.connected()

    def received(topic: str, payload: bytes) -> None:
        by_topic[topic](payload)

    codes = [site.spec.code for site in sites]
    publisher = Publisher(
        address,
        client_id=f"forecourt-simulator-{codes[0]}",
        will=status(codes[0], online=False, at=plan.clock()),
        subscriptions=[contract.topic(code, lane) for code in codes for lane in (COMMANDS, SEALS)],
        on_connected=connected,
        on_message=received,
        log=log,
    )
    for site in sites:
        players[site.spec.code] = SimulatedSite(
            site, plan=plan, journal=journal, publisher=publisher, has_own_line=len(sites) == 1
        )
    by_topic: dict[str, Callable[[bytes], None]] = {}
    for code, player in players.items():
        by_topic[contract.topic(code, COMMANDS)] = player.command
        by_topic[contract.topic(code, SEALS)] = partial(seals.keep, code)
    return publisher, list(players.values())
