"""How the worker is doing, second by second: counted here, stored as rows of `pulse`."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.sql import load
from ledger.plausible import DAYS_BEFORE_REGISTRATION

if TYPE_CHECKING:
    import datetime

    from psycopg import AsyncConnection

    from ingest.batch import Batch
    from ingest.store import Outcome

_PULSE = load("pulse")
_PRUNE_WORKERS = load("prune_workers")
#: Rows older than this are of no use to the console's charts.
PULSE_KEPT_DAYS = 7


#: An entry that was received so long after it occurred is late: it was resent, kept by the site or
#: the broker, or replayed. What is live is on its way for a second or two, so its lag says how the
#: ingest does; that of late entries says how long somebody was cut off.
LATE_AFTER_S = 60
#: What is older was dated by a broken clock, and says nothing of how long it was on its way: as
#: long before a site is registered do its fiscal days begin by default.
LAG_CREDIBLE_MAX_S = DAYS_BEFORE_REGISTRATION * 86_400

#: The counts that a pulse stores, and that a worker's metrics add up.
COUNTS = (
    "received",
    "stored",
    "duplicates",
    "quarantined",
    "late",
    "live",
    "live_written",
    "batches",
)


@dataclass(slots=True)
class Meter:
    """What one second adds up to. Latency is receipt to commit, lag occurrence to commit.

    `late` counts the entries that were late at receipt; their lags are apart.
    """

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    late: int = 0
    live: int = 0
    live_written: int = 0
    batches: int = 0
    #: How often a batch was refused by a database that was away, and tried again.
    commit_retries: int = 0
    quarantined_by_reason: Counter[str] = field(default_factory=Counter)
    #: How many messages each batch held.
    batch_messages: list[int] = field(default_factory=list)
    #: (milliseconds, how many messages)
    latencies: list[tuple[float, int]] = field(default_factory=list)
    #: Milliseconds, one for each entry; `row` leaves them sorted.
    lags: list[float] = field(default_factory=list)
    #: The same of late entries, which are not among `lags`.
    late_lags: list[float] = field(default_factory=list)

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """Count a batch that was just committed."""
        now = time.perf_counter()
        wall_now = time.time()
        self.batches += 1
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.quarantined += outcome.quarantined
        self.quarantined_by_reason.update(outcome.quarantined_by_reason)
        self.batch_messages.append(batch.messages)
        self.latencies += [((now - at) * 1000, count) for at, count in batch.receipts]
        late_before = batch.received_at.timestamp() - LATE_AFTER_S
        # Nothing is committed before it happened: a clock that is ahead hides its lag.
        lags = [max(wall_now - at, 0.0) * 1000 for at in batch.occurred_at if at >= late_before]
        self.lags += lags
        if len(lags) < len(batch.occurred_at):
            late = [wall_now - at for at in batch.occurred_at if at < late_before]
            self.late += len(late)
            self.late_lags += [lag * 1000 for lag in late if lag <= LAG_CREDIBLE_MAX_S]

    def row(self) -> dict[str, int | float | None]:
        """Return the second's figures as the columns of `pulse` name them."""
        p50, p95, p99, highest = percentiles(self.latencies, 0.50, 0.95, 0.99, 1.0)
        self.lags.sort()
        self.late_lags.sort()
        return {name: getattr(self, name) for name in COUNTS} | {
            "latency_ms_p50": p50,
            "latency_ms_p95": p95,
            "latency_ms_p99": p99,
            "latency_ms_max": highest,
            "lag_ms_p50": _ranked(self.lags, 0.50),
            "lag_ms_p99": _ranked(self.lags, 0.99),
            "late_lag_ms_p50": _ranked(self.late_lags, 0.50),
            "late_lag_ms_p99": _ranked(self.late_lags, 0.99),
        }


class Reporter(NamedTuple):
    """Which process reports under a worker's name, and since when it runs."""

    worker: str
    started_at: datetime.datetime
    host: str = socket.gethostname()
    process_id: int = os.getpid()


def percentiles(weighted: list[tuple[float, int]], *ranks: float) -> list[float | None]:
    """Return the values at the given ranks (0 to 1) of (value, count) pairs; None if empty."""
    if not weighted:
        return [None] * len(ranks)
    ordered = sorted(weighted)
    total = sum(count for _, count in ordered)
    return [_at(ordered, rank * total) for rank in ranks]


def _ranked(ordered: list[float], rank: float) -> float | None:
    """Return the value at a rank above 0 of values in order; None if there are none."""
    return ordered[math.ceil(rank * len(ordered)) - 1] if ordered else None


def _at(ordered: list[tuple[float, int]], wanted: float) -> float:
    passed = 0
    for value, count in ordered:
        passed += count
        if passed >= wanted:
            return value
    return ordered[-1][0]


async def write_pulse(
    connection: AsyncConnection[Any],
    *,
    reporter: Reporter,
    at: datetime.datetime,
    state: str,
    row: dict[str, int | float | None],
    backlog: int,
    is_connected: bool,
) -> None:
    """Store one second of a worker, and where it stands (`IngestWorker.State`).

    `is_connected` says that it has a session at the broker, which keeps what comes from now on.
    """
    parameters = {
        **row,
        **reporter._asdict(),
        "at": at,
        "state": state,
        "backlog": backlog,
        "is_connected": is_connected,
    }
    await connection.execute(_PULSE, parameters)


async def prune_pulses(connection: AsyncConnection[Any]) -> None:
    """Drop the seconds that are older than `PULSE_KEPT_DAYS`, and workers not heard of since."""
    await connection.execute(
        "DELETE FROM pulse WHERE at < now() - make_interval(days => %s)", [PULSE_KEPT_DAYS]
    )
    await connection.execute(_PRUNE_WORKERS, {"days": PULSE_KEPT_DAYS})
