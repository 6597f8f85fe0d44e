"""The doorbells that a write rings, in its own transaction: heard when it commits, else never."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django.db import connection

#: Web processes listen here and render what watches these sites anew.
LEDGER_CHANGES_CHANNEL = "ledger_changes"
#: Ingest workers listen here and send what waits in `command`.
COMMANDS_CHANNEL = "commands"
#: Ingest workers listen here and take up what was released from quarantine.
RELEASES_CHANNEL = "releases"


def changes_announce(*, site_ids: Iterable[int]) -> None:
    """Say that something of these sites changed; the payload is the worker's own."""
    _notify(LEDGER_CHANGES_CHANNEL, json.dumps({"sites": sorted(site_ids)}))


def commands_announce() -> None:
    """Say that a command waits."""
    _notify(COMMANDS_CHANNEL, "")


def releases_announce() -> None:
    """Say that messages were released from quarantine."""
    _notify(RELEASES_CHANNEL, "")


def _notify(channel: str, payload: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])
