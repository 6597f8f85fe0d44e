"""Streams: 1,000 viewers of live pages on one web process, at one update a second.

Each second a writer commits a running sale at every watched site and rings the doorbell as the
ingest worker does. Measured is the time from the commit's return to the arrival of the fragment
that shows it, at every viewer, and the CPU and the memory of the web process. The same updates
with one viewer a topic cost the rendering alone: the difference is the fan-out.

Then the same once more with viewers who never read and viewers who break off.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from console.embedded.postgres import embedded_database, running_postgres
from tests.benchmarks import console
from tests.benchmarks.bench_pages import fill
from tests.benchmarks.rig import VAR_DIR, cpu_seconds, machine

PLACE = VAR_DIR / "bench-streams"
#: All of them fit on the first page of the network's table.
SITES = 50
DAYS = 2
#: Streams are of this many sites and of two network pages: the whole one, and that of managers.
SITES_WATCHED = 10
VIEWERS = 1_000
NETWORK_SHARE = 0.3
STALLED, VANISHING = 50, 50
UPDATE_EVERY_S = 1.0
#: Long enough that every viewer is asked once whether they may still watch.
SECONDS = 40
#: Long enough that those who never read are given up.
SECONDS_STALLED = 75
P99_MAX_MS = 500
FAN_OUT_CPU_MAX = 0.25


@dataclass(frozen=True)
class Watched:
    """What one run showed; CPU as a share of one core."""

    name: str
    viewers: int
    delays_ms: list[float]
    missed: int
    over: int
    cpu: float
    idle_mb: float
    least_mb: float
    most_mb: float
    hub: str

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.delays_ms, n=100, method="inclusive")[98]


class Writer:
    """Commits one update a second and remembers when."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.committed_at: dict[int, float] = {}
        ids = [row[0] for row in connection.execute("SELECT id FROM site ORDER BY id")]
        self._sites = ids[:SITES_WATCHED]
        self._announcement = json.dumps({"sites": self._sites, "pulse": True})

    def commit(self, number: int) -> None:
        """Let every watched page show a number."""
        with self._connection.transaction():
            self._connection.execute(
                "UPDATE pump_state SET state = 'fuelling', product = 'E10', volume = 7000 + %s, "
                "amount = 10, at = now(), received_at = now() "
                "WHERE site_id = ANY(%s) AND fuelling_point = 1",
                [number, self._sites],
            )
            # The whole turnover of the first site's day, which the network page shows.
            self._connection.execute(
                "UPDATE day_total SET volume = CASE WHEN product = 'E10' AND kind = 1 "
                "THEN 7000000 + %s ELSE 0 END WHERE site_id = %s AND fiscal_day = "
                "(SELECT max(fiscal_day) FROM fiscal_day WHERE site_id = %s)",
                [number, self._sites[0], self._sites[0]],
            )
            self._connection.execute("SELECT pg_notify('ledger_changes', %s)", [self._announcement])
        self.committed_at[number] = time.time()


def crowd(sessions: console.Sessions, viewers: int) -> list[dict[str, str]]:
    """Return the streams of so many viewers, the topics evenly among them."""
    in_network = round(viewers * NETWORK_SHARE)
    streams = []
    for number in range(viewers):
        is_manager = number % 2 == 1
        keys = sessions.managers if is_manager else sessions.network
        # Managers watch the first five sites, the others the next five.
        site = number % SITES_WATCHED // 2
        code = sessions.sites[site if is_manager else site + SITES_WATCHED // 2]
        streams.append(
            {
                "path": "/live/" if number < in_network else f"/live/sites/{code}/",
                "session": keys[number // 2 % len(keys)],
                "behaviour": "reads",
            }
        )
    return streams


def one_a_topic(streams: list[dict[str, str]], sessions: console.Sessions) -> list[dict[str, str]]:
    """Return one stream of each topic."""
    managers = set(sessions.managers)
    kept: dict[Any, dict[str, str]] = {}
    for stream in streams:
        topic = stream["path"], stream["path"] == "/live/" and stream["session"] in managers
        kept.setdefault(topic, stream)
    return list(kept.values())


def watch(
    name: str,
    connection: psycopg.Connection[Any],
    streams: list[dict[str, str]],
    seconds: int,
) -> Watched:
    """Run the web process and the crowd, and write updates for so many seconds."""
    readers = sum(stream["behaviour"] == "reads" for stream in streams)
    writer = Writer(connection)
    # What the last run left must not be taken for this one's.
    writer.commit(0)
    with console.running_web(PLACE) as web:
        idle_mb = web.process.memory_info().rss / 1e6
        with subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.viewers"],
            cwd=console.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as people:  # fmt: skip
            assert people.stdin is not None
            assert people.stdout is not None
            people.stdin.write(json.dumps({"port": web.port, "streams": streams}) + "\n")
            people.stdin.flush()
            assert people.stdout.readline() == "ready\n"
            # The greeting is under way still; the first updates are not counted either.
            cpu, began, memory = 0.0, time.perf_counter(), []
            for number in range(1, seconds + 4):
                if number == 4:
                    cpu, began = cpu_seconds([web.process]), time.perf_counter()
                if number == seconds // 4:
                    people.stdin.write("vanish\n")
                    people.stdin.flush()
                writer.commit(number)
                memory.append(web.process.memory_info().rss / 1e6)
                due = began + UPDATE_EVERY_S * (number - 3 if number >= 4 else number)
                time.sleep(max(0, due - time.perf_counter()))
            cpu = (cpu_seconds([web.process]) - cpu) / (time.perf_counter() - began)
            people.stdin.write("stop\n")
            people.stdin.flush()
            report = json.loads(people.stdout.readline())
    measured = range(4, seconds + 4)
    arrivals = {int(number): times for number, times in report["arrivals"].items()}
    # Those who vanish read until then, so that up to so many more may have seen an update.
    delays = [
        (at - writer.committed_at[number]) * 1000
        for number in measured
        for at in arrivals.get(number, ())
    ]
    missed = sum(max(0, readers - len(arrivals.get(number, ()))) for number in measured)
    hub = re.findall(r"The hub .*", web.log.read_text())
    return Watched(
        name, len(streams), delays, missed, report["over"], cpu, idle_mb, memory[3], max(memory),
        hub[-1] if hub else "",
    )  # fmt: skip


def table_of(found: list[Watched]) -> Table:
    """All runs."""
    table = Table(title=f"Streams on {machine()}")
    table.add_column("")
    for heading in ("viewers", "p50 ms", "p99 ms", "most ms", "not seen", "CPU, cores",
                    "MB idle", "MB at first", "MB at most"):  # fmt: skip
        table.add_column(heading, justify="right")
    for run in found:
        table.add_row(
            run.name,
            f"{run.viewers:,}",
            f"{statistics.median(run.delays_ms):.0f}",
            f"{run.p99_ms:.0f}",
            f"{max(run.delays_ms):.0f}",
            str(run.missed),
            f"{run.cpu:.2f}",
            f"{run.idle_mb:.0f}",
            f"{run.least_mb:.0f}",
            f"{run.most_mb:.0f}",
        )
    return table


def verdict(met: bool) -> str:
    """Say whether a bar was met."""
    return "met" if met else "missed"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench streams")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--scale", type=float, default=1.0, help="how long each run is")
    options = parser.parse_args(arguments or [])
    out = Console(width=140)
    PLACE.mkdir(parents=True, exist_ok=True)
    with running_postgres(PLACE):
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=console.ROOT, env=console.environment(PLACE), check=True,
        )  # fmt: skip
        sessions = console.make_sessions(
            PLACE, sites=SITES, sessions=options.viewers + STALLED + VANISHING
        )
        database = embedded_database(PLACE)
        with psycopg.connect(
            host=database["HOST"], dbname=database["NAME"], user=database["USER"], autocommit=True
        ) as connection:
            fill(connection, out, days=DAYS)
            everyone = crowd(sessions, options.viewers)
            troubled = [
                stream | {"behaviour": behaviour}
                for behaviour, count in (("stalls", STALLED), ("vanishes", VANISHING))
                for stream in crowd(sessions, count)
            ]
            found = []
            for name, streams, seconds in (
                ("one viewer a topic", one_a_topic(everyone, sessions), SECONDS),
                ("all", everyone, SECONDS),
                (f"all, {STALLED} stall, {VANISHING} vanish", everyone + troubled, SECONDS_STALLED),
            ):
                out.log(name)
                found.append(watch(name, connection, streams, int(seconds * options.scale)))
    alone, all_of_them, troubled_run = found
    fan_out = all_of_them.cpu - alone.cpu
    more = all_of_them.viewers - alone.viewers
    out.print(table_of(found))
    for run in found:
        out.print(f"{run.name}: {run.hub} {run.over} streams that were read ended.")
    out.print(
        f"p99 below {P99_MAX_MS} ms: {verdict(all_of_them.p99_ms < P99_MAX_MS)}, with the troubled "
        f"ones {verdict(troubled_run.p99_ms < P99_MAX_MS)}. Fan-out: {fan_out:.2f} cores, below "
        f"{FAN_OUT_CPU_MAX}: {verdict(fan_out < FAN_OUT_CPU_MAX)}. A viewer takes "
        f"{(all_of_them.least_mb - alone.least_mb) / more * 1000:.0f} kB."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
