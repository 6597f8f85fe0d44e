"""Ingest: the worker beside a sync worker, bare receipt and raw COPY, on the same messages.

Each contender finds its messages waiting at the broker and works them off; each is measured
several times in turn, and the median stands before [least-greatest]. CPU and memory are those of
the contender's process alone.
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
from ingest.rows import entry_line
from ingest.sql import load
from tests.benchmarks import bare_loop, sync_worker
from tests.benchmarks.rig import Rig, Run, machine, measure, running_rig, spread
from tests.benchmarks.traffic import SITES, entry

WORKER = "forecourt-ingest"
LATENCY_SECONDS = 8


def drain_worker(rig: Rig, count: int) -> Run:
    """The worker as built: validation, ledger, totals, pulses, acknowledgement after commit."""
    rig.empty()
    rig.keep_session(WORKER)
    rig.publish(count)
    with rig.worker() as process:
        return measure([process], lambda: stored(rig), count)


def drain_arrays(rig: Rig, count: int) -> Run:
    """The worker on stored-and-forwarded arrays of 1,000 entries."""
    rig.empty()
    rig.keep_session(WORKER)
    rig.publish(count, "--array", "1000")
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
    lines = []
    for index in range(count):
        decoded = decode_entry(json.dumps(entry(index)).encode())
        lines.append(entry_line(first_site + index % SITES, decoded, 0, "now"))
    statement = load("copy_entries")
    cpu_began, began = time.process_time(), time.perf_counter()
    for start in range(0, count, BATCH_ENTRIES_MAX):
        with rig.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[call-overload]
            copy.write("".join(lines[start : start + BATCH_ENTRIES_MAX]))
    return Run(count, time.perf_counter() - began, time.process_time() - cpu_began, 0)


def _reported(rig: Rig, module: str, *arguments: str) -> Run:
    with rig.start(module, *arguments, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=300)
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    latency = report.pop("latency_ms", None)
    return Run(**report, latency_ms=tuple(latency) if latency else None)


def stored(rig: Rig) -> int:
    """How many entries are committed."""
    return int(rig.value("SELECT coalesce(sum(entry_count), 0) FROM fiscal_day"))


def worker_latency(rig: Rig, rate: float) -> tuple[float, float]:
    """Median and p99 from receipt to commit at a steady rate: the middle second, the worst one."""
    count = int(rate * LATENCY_SECONDS)
    rig.empty()
    rig.keep_session(WORKER)
    with rig.worker() as process:
        publisher = rig.start(
            "tests.benchmarks.traffic", str(rig.mqtt_port), str(count), "--rate", str(rate)
        )
        measure([process], lambda: stored(rig), count)
        publisher.wait()
    # Not the seconds in which it began and ended.
    seconds = rig.connection.execute(
        "SELECT latency_ms_p50, latency_ms_p99 FROM pulse WHERE stored > %s ORDER BY at",
        [rate * 0.5],
    ).fetchall()[1:-1]
    return (
        statistics.median(p50 for p50, _ in seconds),
        max(p99 for _, p99 in seconds),
    )


def sync_latency(rig: Rig, rate: float) -> tuple[float, float]:
    """The yardstick's latency at a steady rate."""
    count = int(rate * LATENCY_SECONDS)
    rig.keep_session(sync_worker.CLIENT_ID)
    publisher = rig.start(
        "tests.benchmarks.traffic", str(rig.mqtt_port), str(count), "--rate", str(rate)
    )
    run = _reported(rig, "tests.benchmarks.sync_worker", str(count))
    publisher.wait()
    assert run.latency_ms is not None
    return run.latency_ms


def main(arguments: list[str] | None = None) -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(prog="bench ingest")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="how long each run is")
    options = parser.parse_args(arguments or [])
    out = Console(width=120)
    sizes = {
        "sync worker (the yardstick)": (drain_sync, 10_000),
        "this worker": (drain_worker, 200_000),
        "this worker, arrays of 1,000": (drain_arrays, 500_000),
        "bare aiomqtt loop (no storing)": (drain_bare, 50_000),
        "raw COPY (no MQTT, no totals)": (copy_only, 200_000),
    }
    with running_rig() as rig:
        runs: dict[str, list[Run]] = {name: [] for name in sizes}
        for number in range(options.rounds):
            for name, (run, size) in sizes.items():
                out.log(f"round {number + 1} of {options.rounds}: {name}")
                runs[name].append(run(rig, int(size * options.scale)))
        speed = {
            name: statistics.median(run.per_second for run in found) for name, found in runs.items()
        }
        out.log("latency at half of the own maximum")
        sync_name, worker_name = list(sizes)[:2]
        latencies = {
            sync_name: sync_latency(rig, speed[sync_name] / 2),
            worker_name: worker_latency(rig, speed[worker_name] / 2),
        }
    table = Table(title=f"Ingest on {machine()}")
    table.add_column("")
    for heading in ("events/s", "x yardstick", "CPU µs/event", "peak MB", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for name, found in runs.items():
        p50, p99 = latencies.get(name, (None, None))
        table.add_row(
            name,
            spread([run.per_second for run in found]),
            f"{speed[name] / speed[sync_name]:.1f}",
            spread([run.cpu_us for run in found], ".1f"),
            "" if not found[0].peak_mb else f"{max(run.peak_mb for run in found):.0f}",
            "" if p50 is None else f"{p50:.1f}",
            "" if p99 is None else f"{p99:.1f}",
        )
    out.print(table)
    out.print(
        "Latency is receipt to commit at half of the contender's own events/s. "
        f"{options.rounds} rounds."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
