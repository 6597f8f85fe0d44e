"""Ingest: the worker beside a sync worker, bare receipt and raw COPY, on the same messages.

Throughput: each contender finds its messages waiting at the broker and works them off, so the
publisher is as far ahead as can be. Each is measured several times in turn, and the median stands
before [least-greatest]. CPU and memory are those of the contender's process alone.

Latency: messages come at a steady rate, each due at its own moment. It is measured from receipt
to commit, and from the moment that the message was due to commit, which also shows what waits in
a socket that the contender does not get round to reading.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from ingest.batch import BATCH_ENTRIES_MAX
from ingest.decode import decode_entry
from ingest.rows import csv_of, entry_row
from ingest.sql import load
from tests.benchmarks import bare_loop, sync_worker
from tests.benchmarks.rig import Rig, Run, machine, measure, running_rig, spread, stored
from tests.benchmarks.traffic import SITES, entry

WORKER = "forecourt-ingest"
LATENCY_SECONDS = 10
NAMES = {
    "sync": "sync worker (the yardstick)",
    "worker": "this worker",
    "arrays": "this worker, arrays of 1,000",
    "bare": "bare aiomqtt loop, stores nothing",
    "copy": "raw COPY, no MQTT, no totals",
}

Pulses = list[dict[str, Any]]


def drain_worker(rig: Rig, count: int) -> Run:
    """The worker as built: validation, ledger, totals, pulses, acknowledgement after commit."""
    return _drain(rig, count)


def drain_arrays(rig: Rig, count: int) -> Run:
    """The worker on stored-and-forwarded arrays of 1,000 entries."""
    return _drain(rig, count, "--array", "1000")


def _drain(rig: Rig, count: int, *options: str) -> Run:
    rig.empty()
    rig.keep_session(WORKER)
    rig.publish(count, *options)
    with rig.worker() as process:
        return measure([process], lambda: stored(rig), count)


def drain_sync(rig: Rig, count: int) -> Run:
    """The yardstick."""
    rig.keep_session(sync_worker.CLIENT_ID)
    rig.publish(count)
    return _reported(rig, "tests.benchmarks.sync_worker", str(count))


def drain_bare(rig: Rig, count: int) -> Run:
    """Unmodified aiomqtt, receiving and acknowledging only."""
    rig.keep_session(bare_loop.CLIENT_ID)
    rig.publish(count)
    return _reported(rig, "tests.benchmarks.bare_loop", str(rig.mqtt_port), str(count))


def copy_only(rig: Rig, count: int) -> Run:
    """Raw COPY of the same rows into the same table, in batches of the worker's size."""
    rig.empty()
    site_ids = dict(rig.connection.execute("SELECT code, id FROM site").fetchall())
    first_site = min(site_ids.values())
    rows = []
    for index in range(count):
        decoded = decode_entry(json.dumps(entry(index)).encode())
        rows.append(entry_row(first_site + index % SITES, decoded, 0, "now"))
    statement = load("copy_entries")
    cpu_began, began = time.process_time(), time.perf_counter()
    for start in range(0, count, BATCH_ENTRIES_MAX):
        with rig.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[call-overload]
            copy.write(csv_of(rows[start : start + BATCH_ENTRIES_MAX]))
    return Run(count, time.perf_counter() - began, time.process_time() - cpu_began, 0)


def _reported(rig: Rig, module: str, *arguments: str) -> Run:
    with rig.start(module, *arguments, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=300)
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return Run(**report)


DRAINS = {
    "sync": (drain_sync, 10_000),
    "worker": (drain_worker, 300_000),
    "arrays": (drain_arrays, 600_000),
    "bare": (drain_bare, 60_000),
    "copy": (copy_only, 200_000),
}


def paced_worker(rig: Rig, rate: float) -> Pulses:
    """The worker's seconds at a steady rate."""
    count = int(rate * LATENCY_SECONDS)
    rig.empty()
    rig.keep_session(WORKER)
    with rig.worker() as process:
        publisher = rig.start(
            "tests.benchmarks.traffic", str(rig.mqtt_port), str(count), "--rate", str(rate)
        )
        measure([process], lambda: stored(rig), count)
        publisher.wait()
    return rig.rows("SELECT * FROM pulse WHERE stored > 0 ORDER BY at")


def paced_sync(rig: Rig, rate: float) -> Pulses:
    """The yardstick's seconds at a steady rate."""
    count = int(rate * LATENCY_SECONDS)
    rig.keep_session(sync_worker.CLIENT_ID)
    publisher = rig.start(
        "tests.benchmarks.traffic", str(rig.mqtt_port), str(count), "--rate", str(rate)
    )
    run = _reported(rig, "tests.benchmarks.sync_worker", str(count))
    publisher.wait()
    return list(run.pulses)


def throughput_table(runs: dict[str, list[Run]], speed: dict[str, float]) -> Table:
    """All contenders, how fast and at what cost."""
    table = Table(title=f"Ingest on {machine()}")
    table.add_column("", min_width=28)
    for heading in ("events/s", "x yardstick", "x bare loop", "CPU µs/event", "peak MB"):
        table.add_column(heading, justify="right")
    for key, found in runs.items():
        table.add_row(
            NAMES[key],
            spread([run.per_second for run in found]),
            f"{speed[key] / speed['sync']:.1f}",
            f"{speed[key] / speed['bare']:.1f}",
            spread([run.cpu_us for run in found], ".1f"),
            "" if not found[0].peak_mb else f"{max(run.peak_mb for run in found):.0f}",
        )
    return table


def latency_table(found: list[tuple[str, str, float, Pulses]]) -> Table:
    """What a message waits for, by contender and load."""
    table = Table(title="Latency in ms: the median second [least-greatest second]")
    table.add_column("", min_width=28)
    for heading in ("load", "events/s", "p50", "p99", "p50 from due", "p99 from due"):
        table.add_column(heading, justify="right")
    for key, load_name, rate, pulses in found:
        # Not the seconds in which it began and ended.
        seconds = pulses[1:-1]
        table.add_row(
            NAMES[key],
            load_name,
            f"{rate:,.0f}",
            *(
                spread([second[column] for second in seconds], ".1f")
                for column in ("latency_ms_p50", "latency_ms_p99", "lag_ms_p50", "lag_ms_p99")
            ),
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Measure everything and print."""
    parser = argparse.ArgumentParser(prog="bench ingest")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="how long each run is")
    options = parser.parse_args(arguments or [])
    out = Console(width=130)
    with running_rig() as rig:
        runs: dict[str, list[Run]] = {key: [] for key in DRAINS}
        for number in range(options.rounds):
            for key, (drain, size) in DRAINS.items():
                out.log(f"round {number + 1} of {options.rounds}: {NAMES[key]}")
                runs[key].append(drain(rig, int(size * options.scale)))
        speed = {
            key: statistics.median(run.per_second for run in found) for key, found in runs.items()
        }
        latencies = []
        for key, load_name, rate in (
            ("sync", "half of the yardstick's", speed["sync"] / 2),
            ("worker", "half of the yardstick's", speed["sync"] / 2),
            ("sync", "90 % of the yardstick's", speed["sync"] * 0.9),
            ("worker", "90 % of the yardstick's", speed["sync"] * 0.9),
            ("worker", "half of its own", speed["worker"] / 2),
        ):
            out.log(f"latency at {load_name} maximum: {NAMES[key]}")
            paced = paced_sync if key == "sync" else paced_worker
            latencies.append((key, load_name, rate, paced(rig, rate)))
    out.print(throughput_table(runs, speed))
    out.print(latency_table(latencies))
    out.print(f"{options.rounds} rounds; a load is a share of somebody's maximum.")


if __name__ == "__main__":
    main(sys.argv[1:])
