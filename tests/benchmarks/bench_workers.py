"""Workers: two side by side beside one, as a group and by dividing the sites.

Where the machine has too few cores for two workers, the database and the broker, the gain shows
in the last column: how much of a core each event takes of all workers together.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys

from rich.console import Console
from rich.table import Table

from tests.benchmarks.rig import Rig, Run, machine, measure, running_rig, spread, stored

COUNT = 300_000
#: How each contender is started: the arguments of each worker, and its MQTT client and topics.
CONTENDERS: dict[str, list[tuple[list[str], str, str]]] = {
    "one worker": [([], "forecourt-ingest", "forecourt/#")],
    "two of a group": [
        (["--group", "bench", "--name", name], f"forecourt-{name}", "$share/bench/forecourt/#")
        for name in ("one", "two")
    ],
    "two that divide the sites": [
        (["--share", f"{number}/2"], f"forecourt-ingest-{number}-of-2", "forecourt/#")
        for number in (1, 2)
    ],
}


def drain(rig: Rig, contender: str, count: int) -> Run:
    """Let a contender work off what waits for it."""
    rig.empty()
    workers = CONTENDERS[contender]
    for others in CONTENDERS.values():
        for _, client_id, _ in others:
            rig.forget_session(client_id)
    for _, client_id, subscription in workers:
        rig.keep_session(client_id, subscription)
    rig.publish(count)
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(rig.worker(*arguments)) for arguments, _, _ in workers]
        return measure(processes, lambda: stored(rig), count)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench workers")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments or [])
    out = Console(width=110)
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    with running_rig() as rig:
        for number in range(options.rounds):
            for name, found in runs.items():
                out.log(f"round {number + 1} of {options.rounds}: {name}")
                found.append(drain(rig, name, COUNT))
    one = statistics.median(run.per_second for run in runs["one worker"])
    table = Table(title=f"Workers side by side on {machine()}")
    table.add_column("")
    for heading in ("events/s", "x one worker", "CPU µs/event, all workers"):
        table.add_column(heading, justify="right")
    for name, found in runs.items():
        speed = statistics.median(run.per_second for run in found)
        table.add_row(
            name,
            spread([run.per_second for run in found]),
            f"{speed / one:.2f}",
            spread([run.cpu_us for run in found], ".1f"),
        )
    out.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
