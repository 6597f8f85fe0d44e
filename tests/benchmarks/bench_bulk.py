"""Bulk corrections: what a correction of 500 entries of one site lets the ingest of all wait.

All sites send at a steady rate, each entry due at its own moment, and what is corrected is of the
very day that its site is sending. The worker's seconds before the first correction stand beside
those in which somebody corrects. A correction itself is timed from its first statement to its
commit, and from the moment that it holds the day's lock.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from ledger.services.corrections import BULK_MAX
from tests.benchmarks.bench_ingest import WORKER
from tests.benchmarks.rig import Rig, machine, running_rig, spread
from tests.benchmarks.traffic import SITES, site_code

RATE = 1_000
TIMES = 10
#: Once every site has the entries that are corrected: some seconds of it without a correction.
QUIET_SECONDS = 5
COLUMNS = ("latency_ms_p50", "latency_ms_p99", "lag_ms_p50", "lag_ms_p99")


def measured(rig: Rig, times: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Any]]:
    """Return the worker's seconds without and with corrections, and what each correction took."""
    rig.empty()
    rig.keep_session(WORKER)
    before = BULK_MAX * SITES
    # A correction and its pause take three seconds at most.
    count = before + RATE * (QUIET_SECONDS + 3 * times)
    with rig.worker("--name", "ingest"):
        publisher = rig.start(
            "tests.benchmarks.traffic", str(rig.mqtt_port), str(count), "--rate", str(RATE)
        )
        stored = "SELECT coalesce(sum(entry_count), 0) FROM fiscal_day"
        rig.until(stored, before + RATE * QUIET_SECONDS)
        began = rig.value("SELECT now()")
        day = rig.value("SELECT min(fiscal_day) FROM fiscal_day").isoformat()
        correcting = rig.start(
            "tests.benchmarks.correct_many", site_code(0), day, str(BULK_MAX), str(times),
            stdout=subprocess.PIPE,
        )  # fmt: skip
        output, _ = correcting.communicate(timeout=300)
        ended = rig.value("SELECT now()")
        rig.until(stored, count)
        publisher.wait()
    pulses = rig.rows("SELECT * FROM pulse WHERE stored > 0 ORDER BY at")
    second = datetime.timedelta(seconds=1)
    quiet = [one for one in pulses if one["at"] < began][3:]
    busy = [one for one in pulses if began <= one["at"] <= ended + second]
    return quiet, busy, json.loads(output.splitlines()[-1])


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench bulk")
    parser.add_argument("--times", type=int, default=TIMES)
    options = parser.parse_args(arguments or [])
    out = Console(width=130)
    with running_rig() as rig:
        quiet, busy, corrections = measured(rig, options.times)
    table = Table(title=f"Ingest of {RATE:,} entries/s of {SITES} sites on {machine()}")
    table.add_column("the worker's seconds, in ms: the median [least-greatest]", min_width=40)
    for heading in ("p50", "p99", "p50 from due", "p99 from due"):
        table.add_column(heading, justify="right")
    for name, pulses in (("nobody corrects", quiet), ("somebody corrects", busy)):
        values = [spread([one[column] for one in pulses], ",.1f") for column in COLUMNS]
        table.add_row(f"{name} ({len(pulses)} s)", *values)
    out.print(table)
    for name in ("seconds", "locked_seconds"):
        took = [one[name] * 1000 for one in corrections]
        out.print(f"a correction's {name.replace('_', ' ')}, in ms: {spread(took, ',.0f')}")
    entries, count = (
        statistics.median(one[name] for one in corrections) for name in ("entries", "statements")
    )
    out.print(f"{entries:,.0f} entries by {count:,.0f} statements, {options.times} times")


if __name__ == "__main__":
    main(sys.argv[1:])
