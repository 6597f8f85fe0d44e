"""Storage: bytes a row of the entry table beside the shape with a surrogate key.

The same million sales are in both: once as Django makes a table by default (a bigint `id`, an
index for the foreign key, a unique constraint), once keyed on (site, fiscal day, sequence).
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from ingest.rows import KIND_CODES, PAYMENT_CODES
from tests.benchmarks import sync_worker
from tests.benchmarks.bench_ingest import copy_only
from tests.benchmarks.rig import Rig, running_rig
from tests.benchmarks.traffic import FISCAL_DAY

ROWS = 1_000_000

#: What the surrogate table spells out, from what ours numbers.
_NAMES = {
    "kind": {code: name for name, code in KIND_CODES.items()},
    "payment": {code: name for name, code in PAYMENT_CODES.items() if name},
}


def fill(rig: Rig) -> None:
    """Put the same rows into both tables."""
    copy_only(rig, ROWS)
    sync_worker.make_table()
    columns = [
        field.column for field in sync_worker.SurrogateEntry._meta.fields if field.column != "id"
    ]
    values = ", ".join(
        f"CASE {column} {_cases(_NAMES[column])} END" if column in _NAMES else column
        for column in columns
    )
    rig.connection.execute(
        f"INSERT INTO bench_surrogate_entry ({', '.join(columns)}) "
        f"SELECT {values} FROM entry ORDER BY sequence, site_id"
    )
    rig.connection.execute("VACUUM ANALYZE entry")
    rig.connection.execute("VACUUM ANALYZE bench_surrogate_entry")


def _cases(names: dict[int | None, str]) -> str:
    return " ".join(f"WHEN {code} THEN '{name}'" for code, name in names.items())


def sizes(rig: Rig, table: str) -> tuple[float, float]:
    """Return the bytes a row of a table and of its indexes."""
    heap, indexes = rig.connection.execute(
        "SELECT pg_table_size(%(table)s::regclass), pg_indexes_size(%(table)s::regclass)",
        {"table": table},
    ).fetchone() or (0, 0)
    return heap / ROWS, indexes / ROWS


def main(_arguments: list[str] | None = None) -> None:
    """Measure and print."""
    with running_rig() as rig:
        fill(rig)
        found = {
            "surrogate key": sizes(rig, "bench_surrogate_entry"),
            "composite key": sizes(rig, f"entry_{FISCAL_DAY[:7].replace('-', '_')}"),
        }
    table = Table(title=f"Bytes a row over {ROWS:,} entries")
    table.add_column("")
    for heading in ("table", "indexes", "together", "less"):
        table.add_column(heading, justify="right")
    before = sum(found["surrogate key"])
    for name, (heap, indexes) in found.items():
        together = heap + indexes
        table.add_row(
            name,
            f"{heap:.1f}",
            f"{indexes:.1f}",
            f"{together:.1f}",
            f"{1 - together / before:.0%}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
