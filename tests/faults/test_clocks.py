"""Clocks that jump: the controller's, and the worker's own.

The worker's wall clock cannot be turned for one process honestly: the kernel's time namespaces
leave it alone, and a preloaded library would turn PostgreSQL's driver and Python differently. It
need not be. All that the worker takes from its wall clock is `received_at`, which orders nothing
in the ledger, the flag for times in the future, and the second that a pulse is filed under: here
that second has been filed already, as after a clock that was set back. Latencies and waits are by
the monotonic clock, fiscal days and sequences by the site, retention by PostgreSQL's clock.
"""

from __future__ import annotations

import datetime
from typing import Any

from ledger.models.entry import EntryFlag
from tests.faults.conftest import Rig
from tests.faults.traffic import publications

ENTRIES = 400
#: Where a controller's clock jumps to, by turns, from the time that it should show.
JUMPS = (
    datetime.timedelta(0),
    datetime.timedelta(hours=-5),
    datetime.timedelta(days=-400),
    datetime.timedelta(days=36_500),
)
SECONDS_AHEAD = 60
STORED_THEN = 1_000


async def test_the_controllers_clock_jumps(rig: Rig) -> None:
    """Its entries are stored once, as they are; what looks wrong is flagged."""
    worker = rig.start_worker()
    entries = [
        (site, made | {"occurred_at": _jumped(made, number)})
        for number, (site, made) in enumerate(rig.controllers.entries(ENTRIES))
    ]
    for _ in range(2):
        async with rig.sending(publications(entries)):
            pass
    rig.published += entries
    await rig.until("SELECT sum(stored + duplicates) FROM pulse", 2 * ENTRIES)
    assert await rig.stop(worker) == 0
    far = EntryFlag.FAR_FROM_FISCAL_DAY
    flags = {0: ENTRIES // 2, far: ENTRIES // 4, far | EntryFlag.IN_THE_FUTURE: ENTRIES // 4}
    with rig.postgres.connect() as connection:
        counted = connection.execute("SELECT flags, count(*) FROM entry GROUP BY flags").fetchall()
    assert dict(counted) == flags
    rig.assert_ledger_is_what_was_published(with_flags=False)


def _jumped(made: dict[str, Any], number: int) -> str:
    at = datetime.datetime.fromisoformat(made["occurred_at"])
    return (at + JUMPS[number % len(JUMPS)]).isoformat()


async def test_the_workers_clock_was_set_back(rig: Rig) -> None:
    """It comes to seconds that it has filed already: they add up, and nothing else depends."""
    with rig.postgres.connect() as connection:
        connection.execute(
            "INSERT INTO pulse (at, worker, received, stored, duplicates, quarantined, live, "
            "live_written, batches, backlog) "
            "SELECT date_trunc('second', now()) + make_interval(secs => n), %s, 0, %s, 0, 0, 0, "
            "0, 0, 0 FROM generate_series(1, %s) n",
            [rig.name, STORED_THEN, SECONDS_AHEAD],
        )
    worker = rig.start_worker()
    await rig.publish(ENTRIES)
    await rig.until_all_stored()
    assert await rig.stop(worker) == 0
    assert rig.value("SELECT sum(stored) FROM pulse") == SECONDS_AHEAD * STORED_THEN + ENTRIES
    rig.assert_ledger_is_what_was_published()
