"""What the ledger announces: one LISTEN connection for the whole process."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
from django.db import connection as django_connection

from console.live.topics import ANYTHING, Change

logger = logging.getLogger(__name__)

CHANNEL = "ledger_changes"

RECONNECT_FIRST_S = 0.2
RECONNECT_MAX_S = 5.0
CONNECT_TIMEOUT_S = 5
#: A connection that lies silent this long is asked whether it is still there...
SILENCE_MAX_S = 20.0
#: ...and has this long to answer.
ANSWER_TIMEOUT_S = 5.0


class Announcement(msgspec.Struct, frozen=True):
    """The payload of a notification: ids of sites (null: any), and whether a pulse was stored."""

    sites: tuple[int, ...] | None = ()
    pulse: bool = False


def change_of(payload: str) -> Change:
    """Read a notification. One that cannot be read means that anything may have changed."""
    try:
        announcement = msgspec.json.decode(payload, type=Announcement)
    except msgspec.DecodeError as error:
        logger.warning("Unreadable notification on %s: %s", CHANNEL, error)
        return ANYTHING
    sites = announcement.sites
    return Change(
        sites=None if sites is None else frozenset(sites),
        pulse=announcement.pulse,
    )


class ChangeListener:
    """Listens, and comes back by itself when the connection is lost.

    What was announced meanwhile is lost with it, so each (re)connection counts as ANYTHING.
    """

    def __init__(self, on_change: Callable[[Change], None]) -> None:
        self._on_change = on_change
        self.connected = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.disconnected.set()
        self.connections_made = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        delay_s = RECONNECT_FIRST_S
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**_parameters()) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    delay_s = RECONNECT_FIRST_S
                    self._set_connected()
                    self._on_change(ANYTHING)
                    await self._forward(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                logger.warning("No notifications of changes: %s", str(error).strip())
            finally:
                self._set_disconnected()
            # Many processes lose the server in the same moment and should not return in one.
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))  # noqa: S311
            delay_s = min(2 * delay_s, RECONNECT_MAX_S)

    async def _forward(self, connection: psycopg.AsyncConnection) -> None:
        """Hand every notification on, until the connection fails (psycopg.Error, TimeoutError)."""
        while True:
            async for notification in connection.notifies(timeout=SILENCE_MAX_S):
                self._on_change(change_of(notification.payload))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await connection.execute("SELECT 1")

    def _set_connected(self) -> None:
        self.connections_made += 1
        self.disconnected.clear()
        self.connected.set()

    def _set_disconnected(self) -> None:
        self.connected.clear()
        self.disconnected.set()


def _parameters() -> dict[str, Any]:
    """Return Django's own connection parameters, without what is for its cursors only."""
    parameters: dict[str, Any] = django_connection.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return parameters | {
        "autocommit": True,
        "application_name": "console live",
        "connect_timeout": CONNECT_TIMEOUT_S,
    }
