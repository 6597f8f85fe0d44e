"""Verifying: `manage.py verify_ledger` over sealed days, entries a second and its memory.

The ledger is sealed by the services first, which is timed too. The CPU time is that of the command
and of PostgreSQL together, so entries per second of it are what one core verifies. The memory is
the command's own, over a part of the ledger and over all of it: it should not grow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.bench_pages import sql
from tests.benchmarks.memory import peak_mb
from tests.benchmarks.rig import Rig, cpu_seconds, machine, running_rig, spread

SITES = 20
DAYS = 200
ENTRIES_PER_DAY = 500
FIRST_DAY = "2026-03-01"
LOOK_EVERY_S = 0.01
#: What is asked for, of one core.
ENTRIES_PER_SECOND_MIN = 200_000


def postgres_seconds() -> float:
    """Return the CPU time of all PostgreSQL processes, those that have ended included.

    The server is the parent of its backends and has waited for those that are gone.
    """
    total = 0.0
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres":
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        except psutil.NoSuchProcess:
            continue
    return total


def verify(rig: Rig, *arguments: str) -> tuple[float, float, float]:
    """Verify. Returns seconds, seconds of CPU of the command and PostgreSQL, and peak MB."""
    servers, began = postgres_seconds(), time.perf_counter()
    with rig.start("manage", "verify_ledger", *arguments, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        cpu = peak = 0.0
        while process.poll() is None:
            try:
                cpu, peak = cpu_seconds([watched]), peak_mb(process.pid)
            except (psutil.NoSuchProcess, RuntimeError, OSError):
                # It has just ended, and nobody has asked for its exit code yet.
                break
            time.sleep(LOOK_EVERY_S)
    assert process.wait() == 0, "the ledger does not verify"
    seconds = time.perf_counter() - began
    return seconds, cpu + postgres_seconds() - servers, peak


def seal(rig: Rig) -> tuple[int, float]:
    """Seal all days. Returns how many, and in how many seconds."""
    with rig.start("tests.benchmarks.seal_days", stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=600)
    report = json.loads(output.splitlines()[-1])
    return report["days"], report["seconds"]


def main(arguments: list[str] | None = None) -> None:
    """Fill, seal, verify and print."""
    parser = argparse.ArgumentParser(prog="bench verify")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args(arguments or [])
    out = Console(width=110)
    entries = SITES * options.days * ENTRIES_PER_DAY
    with running_rig() as rig:
        for month in range(0, options.days, 28):
            rig.connection.execute(
                "SELECT entry_partition_ensure(%s::date + %s)", [FIRST_DAY, month]
            )
        values = {"first": FIRST_DAY, "days": options.days, "sites": SITES}
        for statement in sql("fill_verify").split(";\n"):
            if statement.strip():
                rig.connection.execute(statement.encode(), values | {"entries": ENTRIES_PER_DAY})
        rig.connection.execute("VACUUM ANALYZE")
        out.log(f"{entries:,} entries are written")
        days, seconds = seal(rig)
        out.log(f"{days:,} days are sealed, {seconds / days * 1000:.1f} ms each, two people's acts")
        runs = []
        for number in range(options.rounds):
            out.log(f"round {number + 1} of {options.rounds}")
            runs.append(verify(rig))
        part = verify(rig, "--site", rig.value("SELECT code FROM site ORDER BY id LIMIT 1"))
    table = Table(title=f"Verifying {entries:,} entries of {days:,} sealed days on {machine()}")
    for heading in ("", "entries/s", "entries/s of one core", "peak MB"):
        table.add_column(heading, justify="right")
    of_a_core = [entries / cpu for _, cpu, _ in runs]
    table.add_row(
        "all sites",
        spread([entries / took for took, _, _ in runs]),
        spread(of_a_core),
        spread([peak for _, _, peak in runs]),
    )
    table.add_row("one site", "", "", f"{part[2]:.0f}")
    out.print(table)
    met = "met" if min(of_a_core) >= ENTRIES_PER_SECOND_MIN else "missed"
    out.print(f"At least {ENTRIES_PER_SECOND_MIN:,} entries a second of one core: {met}.")


if __name__ == "__main__":
    main(sys.argv[1:])
