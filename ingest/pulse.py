"""How the worker is doing, second by second: counted here, stored as rows of `pulse`."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingest.sql import load

if TYPE_CHECKING:
    import datetime

    from psycopg import AsyncConnection

    from ingest.batch import Batch
    from ingest.store import Outcome

_PULSE = load("pulse")
#: Rows older than this are of no use to the console's charts.
PULSE_KEPT_DAYS = 7


@dataclass(slots=True)
class Meter:
    """What one second adds up to. Latency is receipt to commit, lag occurrence to commit."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    live: int = 0
    live_written: int = 0
    batches: int = 0
    #: (milliseconds, how many messages)
    latencies: list[tuple[float, int]] = field(default_factory=list)
    lags: list[tuple[float, int]] = field(default_factory=list)

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """Count a batch that was just committed."""
        now = time.perf_counter()
        wall_now = time.time()
        self.batches += 1
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.quarantined += outcome.quarantined
        self.latencies += [((now - at) * 1000, count) for at, count in batch.receipts]
        self.lags += [((wall_now - at) * 1000, 1) for at in batch.occurred_at]

    def row(self) -> dict[str, int | float | None]:
        """Return the second's figures as the columns of `pulse` name them."""
        counts = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in {"latencies", "lags"}
        }
        p50, p95, p99, highest = percentiles(self.latencies, 0.50, 0.95, 0.99, 1.0)
        lag_p50, lag_p99 = percentiles(self.lags, 0.50, 0.99)
        return counts | {
            "latency_ms_p50": p50,
            "latency_ms_p95": p95,
            "latency_ms_p99": p99,
            "latency_ms_max": highest,
            "lag_ms_p50": lag_p50,
            "lag_ms_p99": lag_p99,
        }


def percentiles(weighted: list[tuple[float, int]], *ranks: float) -> list[float | None]:
    """Return the values at the given ranks (0 to 1) of (value, count) pairs; None if empty."""
    if not weighted:
        return [None] * len(ranks)
    ordered = sorted(weighted)
    total = sum(count for _, count in ordered)
    return [_at(ordered, rank * total) for rank in ranks]


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
    worker: str,
    at: datetime.datetime,
    row: dict[str, int | float | None],
    backlog: int,
) -> None:
    """Store one second of a worker."""
    await connection.execute(_PULSE, {**row, "worker": worker, "at": at, "backlog": backlog})


async def prune_pulses(connection: AsyncConnection[Any]) -> None:
    """Drop the seconds that are older than `PULSE_KEPT_DAYS`."""
    await connection.execute(
        "DELETE FROM pulse WHERE at < now() - make_interval(days => %s)", [PULSE_KEPT_DAYS]
    )
