"""Reports: any report of 3,000 sites and a year, and a Z report over twenty million entries.

The ledger is generated once and kept below VAR_DIR: a year of day totals of all sites, and the
entries of its newest days; one site's days are sealed one by one up to the one whose Z report is
asked for. Requests go one after another over a connection that is kept alive to
the web process as production runs it; the time is that from the request to the last byte.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import subprocess
import sys
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from console.embedded.postgres import embedded_database, running_postgres
from tests.benchmarks import console
from tests.benchmarks.bench_pages import fill_entries_of_day, sql, times_ms
from tests.benchmarks.rig import VAR_DIR, machine

SITES = 3_000
DAYS = 365
#: The newest days have their entries too; the others have what reports of a period read.
DAYS_WITH_ENTRIES = 14
PLACE = VAR_DIR / "bench-reports"
#: So many days before the newest lies the last one that is sealed; it has its entries.
SEALED_DAYS_AGO = 3
REQUESTS = 10
PERIOD_MAX_MS = 2_000
Z_MAX_MS = 100


def connect() -> psycopg.Connection[Any]:
    """Connect to the database that is kept."""
    database = embedded_database(PLACE)
    return psycopg.connect(
        host=database["HOST"], dbname=database["NAME"], user=database["USER"], autocommit=True
    )


def fill(connection: psycopg.Connection[Any], out: Console) -> datetime.date:
    """Write the fiscal days that are not there yet, oldest first; return the newest day."""
    known = {day for (day,) in connection.execute("SELECT DISTINCT fiscal_day FROM fiscal_day")}
    newest = max(known, default=datetime.datetime.now(datetime.UTC).date())
    first = newest - datetime.timedelta(days=DAYS - 1)
    if not known:
        # Said by the oldest day: what is broken off goes on up to the same newest one.
        connection.execute("ALTER SYSTEM SET max_wal_size = '6GB'")
        connection.execute("SELECT pg_reload_conf()")
    wanted = [first + datetime.timedelta(days=number) for number in range(DAYS)]
    missing = [day for day in wanted if day not in known]
    connection.execute("SET synchronous_commit = off")
    connection.execute("SET work_mem = '256MB'")
    connection.execute(sql("nozzle_places"))
    connection.execute("ANALYZE bench_nozzle")
    connection.execute("ANALYZE site")
    # The newest comes first, so that a fill that was broken off goes on where it was.
    for day in [newest, *missing] if newest in missing else missing:
        if day in known:
            continue
        known.add(day)
        number = (day - first).days
        if number >= DAYS - DAYS_WITH_ENTRIES:
            fill_entries_of_day(connection, day, number, is_newest=day == newest)
            out.log(f"the entries of {day} are written")
        else:
            with connection.transaction():
                connection.execute(sql("fill_year_day").encode(), {"day": day, "number": number})
    if missing:
        connection.execute("VACUUM ANALYZE")
        out.log(f"the totals of {len(missing)} days are written")
    return newest


def seal(code: str, newest: datetime.date, out: Console) -> None:
    """Seal a site's days as two people would, up to one that has its entries."""
    last = newest - datetime.timedelta(days=SEALED_DAYS_AGO)
    command = [sys.executable, "-m", "tests.benchmarks.seal_days", f"--site={code}"]
    done = subprocess.run(
        [*command, f"--last={last}"],
        cwd=console.ROOT, env=console.environment(PLACE), check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    out.log(f"sealed: {done.stdout.decode().strip()}")


def addresses(code: str, newest: datetime.date) -> dict[str, tuple[str, int]]:
    """Return every report to measure: name to path, and how many ms it may take."""
    first = newest - datetime.timedelta(days=DAYS - 1)
    year = f"first={first}&last={newest}"
    month = f"first={newest - datetime.timedelta(days=29)}&last={newest}"
    sealed = newest - datetime.timedelta(days=SEALED_DAYS_AGO)
    closed = sealed + datetime.timedelta(days=1)
    day = f"/sites/{code}/days/"
    return {
        "all sites, a year": (f"/reports/period/?{year}", PERIOD_MAX_MS),
        "all sites, a year, CSV": (f"/reports/period/?{year}&format=csv", PERIOD_MAX_MS),
        "all sites, a year, JSON": (f"/reports/period/?{year}&format=json", PERIOD_MAX_MS),
        "all sites, 30 days": (f"/reports/period/?{month}", PERIOD_MAX_MS),
        "one site, a year": (f"/reports/period/?{year}&sites={code}", PERIOD_MAX_MS),
        "wet stock of a site, a year": (f"/reports/stock/?{year}&site={code}", PERIOD_MAX_MS),
        "Z report of a sealed day": (f"{day}{sealed}/report/", Z_MAX_MS),
        "Z report, CSV": (f"{day}{sealed}/report/?format=csv", Z_MAX_MS),
        "Z report, JSON": (f"{day}{sealed}/report/?format=json", Z_MAX_MS),
        "X report of a closed day": (f"{day}{closed}/report/", Z_MAX_MS),
        "X report of the open day": (f"{day}{newest}/report/", Z_MAX_MS),
    }


def main(arguments: list[str] | None = None) -> None:
    """Generate what is missing, measure everything and print."""
    parser = argparse.ArgumentParser(prog="bench reports")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--fill-only", action="store_true")
    options = parser.parse_args(arguments or [])
    out = Console(width=130)
    PLACE.mkdir(parents=True, exist_ok=True)
    with running_postgres(PLACE):
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=console.ROOT, env=console.environment(PLACE), check=True,
        )  # fmt: skip
        sessions = console.make_sessions(PLACE, sites=SITES, sessions=2)
        with connect() as connection:
            newest = fill(connection, out)
            if options.fill_only:
                return
            entries, rows = connection.execute(
                "SELECT (SELECT sum(entry_count) FROM fiscal_day), (SELECT count(*) FROM entry)"
            ).fetchone() or (0, 0)
        code = sessions.sites[len(sessions.sites) // 2]
        seal(code, newest, out)
        load = psutil.getloadavg()[0]
        pages = addresses(code, newest)
        with console.running_web(PLACE) as web:
            took = {
                name: times_ms(web.port, sessions.network[0], path, options.requests)
                for name, (path, _) in pages.items()
            }
    table = Table(
        title=f"Reports over {SITES:,} sites, {DAYS} days, {entries:,} entries summed up, "
        f"{rows:,} of them in the table, on {machine()}"
    )
    table.add_column("")
    for heading in ("median ms", "least-greatest", "kB", "asked for", ""):
        table.add_column(heading, justify="right")
    for name, (_, limit) in pages.items():
        each, size = took[name]
        median = statistics.median(each)
        table.add_row(
            name,
            f"{median:,.0f}",
            f"{min(each):,.0f}-{max(each):,.0f}",
            f"{size / 1000:,.0f}",
            f"{limit:,}",
            "" if median < limit else "missed",
        )
    out.print(table)
    out.print(f"{options.requests} requests each. The machine's load was {load:.1f} as it began.")


if __name__ == "__main__":
    main(sys.argv[1:])
