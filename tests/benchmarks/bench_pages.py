"""Pages: the server's time of every page and fragment over twenty million entries.

The ledger (1,000 sites, 40 fiscal days of 500 entries each) is generated once and kept below
VAR_DIR. Requests go one after another over a connection that is kept alive to the web process as
production runs it; the time is that from the request to the last byte of its answer. Queries are
those that Django's test client sees for the same address. Then a person corrects entries, and
each step of that is timed (`correcting`).
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.conf import settings
from rich.console import Console
from rich.table import Table

from console.embedded.postgres import embedded_database, running_postgres
from tests.benchmarks import console, correcting
from tests.benchmarks.rig import VAR_DIR, machine

SITES = 1_000
DAYS = 40
ENTRIES_PER_DAY = 500
PLACE = VAR_DIR / "bench-pages"
SQL = Path(__file__).parent / "sql"
WARM_UP = 5
REQUESTS = 40
P95_MAX_MS = 100
#: The site that is asked for: in the middle of all, with a day that lacks entries.
SITE = 500


def sql(name: str) -> str:
    """Return a statement of this folder's sql/."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def connect() -> psycopg.Connection[Any]:
    """Connect to the database that is kept."""
    database = embedded_database(PLACE)
    return psycopg.connect(
        host=database["HOST"], dbname=database["NAME"], user=database["USER"], autocommit=True
    )


def fill(connection: psycopg.Connection[Any], out: Console, *, days: int = DAYS) -> None:
    """Write the fiscal days that are not there yet, each in a transaction; keep those that are."""
    known = sorted(
        day for (day,) in connection.execute("SELECT DISTINCT fiscal_day FROM fiscal_day")
    )
    newest = known[-1] if known else datetime.datetime.now(datetime.UTC).date()
    if len(known) < days:
        # The newest day comes first, so that a fill that was broken off goes on where it was.
        connection.execute("ALTER SYSTEM SET max_wal_size = '6GB'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET work_mem = '256MB'")
        connection.execute(sql("nozzle_places"))
        connection.execute("ANALYZE bench_nozzle")
        connection.execute("ANALYZE site")
        for number in range(days):
            day = newest - datetime.timedelta(days=number)
            if day not in known:
                fill_entries_of_day(connection, day, days - number, is_newest=number == 0)
                out.log(f"the ledger of {day} is written")
        connection.execute("VACUUM ANALYZE")
    connection.execute("SET session_replication_role = replica")
    connection.execute(sql("live_now"))
    connection.execute("SET session_replication_role = DEFAULT")
    connection.execute(
        "ANALYZE site_status, pump_state, nozzle_state, tank_state, alarm, quarantine, pulse"
    )


def fill_entries_of_day(
    connection: psycopg.Connection[Any], day: datetime.date, number: int, *, is_newest: bool
) -> None:
    """Write one fiscal day of all sites with its entries, in a transaction."""
    midnight = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    gone = datetime.datetime.now(datetime.UTC) - midnight
    with connection.transaction():
        connection.execute("SELECT entry_partition_ensure(%s::date)", [day])
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            sql("fill_day").encode(),
            {
                "day": day,
                "number": number,
                "entries": ENTRIES_PER_DAY,
                "share": gone / datetime.timedelta(days=1) if is_newest else 1,
                "is_closed": not is_newest,
            },
        )


def addresses(connection: psycopg.Connection[Any], codes: list[str]) -> dict[str, str]:
    """Return every page and fragment to measure: name to path."""
    code = codes[SITE]
    newest, month_start = connection.execute(
        "SELECT max(fiscal_day), date_trunc('month', max(fiscal_day))::date FROM fiscal_day"
    ).fetchone() or (None, None)
    lacking = connection.execute(
        "SELECT code, fiscal_day FROM fiscal_day JOIN site ON id = site_id "
        "WHERE last_sequence > entry_count LIMIT 1"
    ).fetchone() or (code, newest)
    closed = newest - datetime.timedelta(days=20)
    day = f"/sites/{code}/days/{closed}/"
    pages = {
        "network": "/",
        "network, page 20": "/?page=20",
        "network, search": "/?q=leeds",
        "network, state": "/?state=offline",
        "site": f"/sites/{code}/",
        "day list": f"/sites/{code}/days/",
        "day, open": f"/sites/{code}/days/{newest}/",
        "day, closed, newest entries": day,
        "day, closed, oldest entries": f"{day}?after=0",
        "day, second page": f"{day}?before=450",
        "day, flagged only": f"{day}?flagged=on",
        "day, one fuelling point": f"{day}?fuelling_point=3",
        "day with missing entries": f"/sites/{lacking[0]}/days/{lacking[1]}/",
        "entry, first": f"{day}1/",
        "entry, last": f"{day}{ENTRIES_PER_DAY}/",
        "correction, the form": f"{day}250/correct/",
        "correction, a void": f"{day}250/void/",
        "correction, many of a day": f"{day}correct/",
        "correction, approvals": "/approvals/",
        "ledger, all": "/ledger/",
        "ledger, a month": f"/ledger/?first={month_start}&last={newest}",
        "ledger, a day": f"/ledger/?first={closed}&last={closed}",
        "quarantine": "/quarantine/",
        "quarantine, a reason": "/quarantine/?reason=malformed",
        "site options": "/site-options/",
        "site options, search": "/site-options/?q=kiel",
    }
    pages["poll of the network"] = "/fragments/"
    pages["poll of a site"] = f"/sites/{code}/fragments/"
    return pages


def times_ms(port: int, session: str, path: str, requests: int) -> tuple[list[float], int]:
    """Return how long each request took, and the answer's bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}
    took = []
    size = 0
    for _ in range(WARM_UP + requests):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
    return took[WARM_UP:], size


def queries(session: str, paths: list[str]) -> dict[str, tuple[int, float]]:
    """Return for each path how many queries it takes, and how many ms they take together."""
    counted = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.page_queries", session],
        cwd=console.ROOT,
        env=console.environment(PLACE),
        input="\n".join(paths),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {path: tuple(found) for path, found in json.loads(counted.stdout).items()}


def table_of(
    pages: dict[str, str],
    took: dict[str, tuple[list[float], int]],
    counts: dict[str, tuple[int, float]],
) -> Table:
    """Every page, slow ones marked."""
    table = Table(title=f"Pages over {SITES * DAYS * ENTRIES_PER_DAY:,} entries on {machine()}")
    table.add_column("")
    for heading in ("p50 ms", "p95 ms", "least-greatest", "queries", "of it SQL ms", "kB", "bar"):
        table.add_column(heading, justify="right")
    for name, path in pages.items():
        each, size = took[name]
        p95 = statistics.quantiles(each, n=20, method="inclusive")[18]
        count, sql_ms = counts[path]
        table.add_row(
            name,
            f"{statistics.median(each):.1f}",
            f"{p95:.1f}",
            f"{min(each):.0f}-{max(each):.0f}",
            str(count),
            f"{sql_ms:.1f}",
            f"{size / 1000:.0f}",
            "" if p95 < P95_MAX_MS else "missed",
        )
    return table


def steps_table(took: dict[str, list[float]]) -> Table:
    """The steps of correcting an entry, slow ones marked."""
    table = Table(title="Correcting an entry of an open day, step by step")
    table.add_column("")
    for heading in ("p50 ms", "p95 ms", "least-greatest", "bar"):
        table.add_column(heading, justify="right")
    for step, each in took.items():
        p95 = statistics.quantiles(each, n=20, method="inclusive")[18]
        table.add_row(
            step,
            f"{statistics.median(each):.1f}",
            f"{p95:.1f}",
            f"{min(each):.0f}-{max(each):.0f}",
            "" if p95 < P95_MAX_MS else "missed",
        )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Generate what is missing, measure everything and print."""
    parser = argparse.ArgumentParser(prog="bench pages")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--only", default="", help="only the pages whose name has this text")
    options = parser.parse_args(arguments or [])
    out = Console(width=130)
    PLACE.mkdir(parents=True, exist_ok=True)
    with running_postgres(PLACE):
        environment = console.environment(PLACE)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=console.ROOT, env=environment, check=True,
        )  # fmt: skip
        sessions = console.make_sessions(PLACE, sites=SITES, sessions=2)
        with connect() as connection:
            fill(connection, out)
            pages = addresses(connection, sessions.sites)
            open_day = pages["day, open"]
            pages = {name: path for name, path in pages.items() if options.only in name}
        session = sessions.network[0]
        load = psutil.getloadavg()[0]
        with console.running_web(PLACE) as web:
            # Here, because only now the static files have their names.
            counts = queries(session, list(pages.values()))
            took = {
                name: times_ms(web.port, session, path, options.requests)
                for name, path in pages.items()
            }
            steps = correcting.times_ms(web.port, session, open_day, options.requests)
    out.print(table_of(pages, took, counts))
    out.print(steps_table(steps))
    out.print(
        f"{options.requests} requests each, after {WARM_UP} to warm up; below {P95_MAX_MS} ms is "
        f"asked for. The machine's load was {load:.1f} as it began."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
