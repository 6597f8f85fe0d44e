"""Live lanes: what 10,000 pump messages a second cost the database and the worker.

Statements are those that the worker sent, counted by pg_stat_statements.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from tests.benchmarks.memory import peak_mb
from tests.benchmarks.rig import Rig, cpu_seconds, machine, running_rig
from tests.benchmarks.traffic import PUMPS_PER_SITE, SITES

PUMPS_PER_S = 10_000
SECONDS = 8


def idle_and_loaded(rig: Rig) -> list[tuple[str, dict[str, float]]]:
    """Measure the same worker twice: with nothing to do, and under pump messages."""
    found = []
    with rig.worker() as process:
        rig.until("SELECT count(*) FROM pulse", 2)
        for name, rate in (("nothing to do", 0), (f"{PUMPS_PER_S:,} pump messages/s", PUMPS_PER_S)):
            publisher = None
            if rate:
                publisher = rig.start(
                    "tests.benchmarks.traffic", str(rig.mqtt_port), str(rate * (SECONDS + 2)),
                    "--rate", str(rate), "--pumps",
                )  # fmt: skip
                rig.until("SELECT max(live) FROM pulse", rate // 2)
            rig.connection.execute("SELECT pg_stat_statements_reset()")
            cpu_began = cpu_seconds([process])
            pulses = rig.value("SELECT count(*) FROM pulse")
            rig.until("SELECT count(*) FROM pulse", pulses + SECONDS)
            cpu = cpu_seconds([process]) - cpu_began
            calls, took_ms = rig.connection.execute(
                "SELECT sum(calls), sum(total_exec_time) FROM pg_stat_statements s "
                "WHERE query !~* 'pulse|pg_stat|BEGIN|COMMIT'"
            ).fetchone() or (0, 0)
            live, written = rig.connection.execute(
                "SELECT avg(live), avg(live_written) FROM "
                f"(SELECT * FROM pulse ORDER BY at DESC LIMIT {SECONDS})"
            ).fetchone() or (0, 0)
            found.append(
                (
                    name,
                    {
                        "received/s": float(live or 0),
                        "states written/s": float(written or 0),
                        "statements/s": float(calls or 0) / SECONDS,
                        "database ms/s": float(took_ms or 0) / SECONDS,
                        "worker CPU ms/s": cpu * 1000 / SECONDS,
                        "peak MB": peak_mb(process.pid),
                    },
                )
            )
            if publisher is not None:
                publisher.wait()
    return found


def main(_arguments: list[str] | None = None) -> None:
    """Measure and print."""
    out = Console(width=130)
    with running_rig(counts_statements=True) as rig:
        rig.keep_session("forecourt-ingest")
        found = idle_and_loaded(rig)
    table = Table(title=f"Live lanes on {machine()}")
    table.add_column("")
    for heading in found[0][1]:
        table.add_column(heading, justify="right")
    for name, figures in found:
        table.add_row(name, *(f"{figure:,.1f}" for figure in figures.values()))
    out.print(table)
    out.print(
        f"{SITES * PUMPS_PER_SITE} pumps at {SITES} sites. The pulse and its announcement, two "
        "statements a second, are left out."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
