"""The network page of a large fleet: how long the server takes, and with how many queries.

A page is asked for with Django's test client, so the time is that of middleware, view, database
and templates, without the network. Templates are cached, as in production.
"""

from __future__ import annotations

import datetime
import os
import statistics
import time
from pathlib import Path

from django.conf import settings
from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

from console.embedded.postgres import embedded_database, running_postgres
from console.warm import warm_up
from ledger.models import Kind
from ledger.selectors.silence import JUDGE_SILENCES, judge_parameters
from tests.benchmarks.rig import machine
from tests.factories import make_user

SITES = int(os.environ.get("SITES", "3000"))
ROUNDS = 15
PAGES = (
    ("the page", "/", {}),
    ("its second page", "/?page=2", {}),
    ("sorted by litres, the table alone", "/?sort=litres", {"HX-Request": "true"}),
    ("a search, the table alone", "/?q=town 17", {"HX-Request": "true"}),
    ("one topic, the table alone", "/?topic=missing", {"HX-Request": "true"}),
    ("fragment: attention", "/fragments/?pieces=network_attention", {}),
    ("fragment: sites", "/fragments/?pieces=network_sites", {}),
    ("fragment: figures", "/fragments/?pieces=network_figures", {}),
    ("fragment: ingest", "/fragments/?pieces=network_ingest", {}),
    ("fragment: charts", "/fragments/?pieces=network_charts", {}),
)


def main() -> None:
    """Make the fleet in a database of its own, measure, and take it away again."""
    settings.DEBUG = False
    options = settings.TEMPLATES[0]["OPTIONS"]
    options["loaders"] = [("django.template.loaders.cached.Loader", options["loaders"])]
    with running_postgres(settings.VAR_DIR):
        host = embedded_database(settings.VAR_DIR)["HOST"]
        settings.DATABASES["default"]["HOST"] = connection.settings_dict["HOST"] = host
        connection.settings_dict["TEST"]["NAME"] = "bench_network"
        config = setup_databases(verbosity=0, interactive=False)
        try:
            warm_up()
            measure()
        finally:
            teardown_databases(config, verbosity=0)


def measure() -> None:
    """Print the first, the median and the worst time of each page, and its number of queries."""
    fleet = Path(__file__).with_name("fleet.sql").read_text()
    with connection.cursor() as cursor:
        for statement in fleet.split(";\n"):
            cursor.execute(statement, {"sites": SITES, "sale": int(Kind.SALE)})
    client = Client()
    client.force_login(make_user())
    print(f"{machine()}; {SITES:,} sites, {ROUNDS} rounds\n")
    columns = ("first ms", "median ms", "worst ms")
    print(f"{'':36}" + "".join(f"{name:>10}" for name in columns) + "  queries  SQL ms    KB")
    _measure_silences()
    for words, path, headers in PAGES:
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            answer = client.get(path, headers=headers)
            times.append((time.perf_counter() - began) * 1_000)
        connection.force_debug_cursor = True
        reset_queries()
        client.get(path, headers=headers)
        queries = list(connection.queries)
        connection.force_debug_cursor = False
        sql_ms = sum(float(query["time"]) for query in queries) * 1_000
        print(
            f"{words:36}{times[0]:>10.0f}{statistics.median(times):>10.0f}{max(times):>10.0f}{len(queries):>9}"
            f"{sql_ms:>8.0f}{len(answer.content) / 1_024:>6.0f}"
        )
        if os.environ.get("SLOW"):
            for query in sorted(queries, key=lambda each: -float(each["time"]))[:4]:
                print(f"    {float(query['time']) * 1_000:.0f} ms  {query['sql'][:150]}")


def _measure_silences() -> None:
    """What the worker's look for dead fuelling points costs when there is nothing new."""
    now = datetime.datetime.now(datetime.UTC)
    times = []
    with connection.cursor() as cursor:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            cursor.execute(JUDGE_SILENCES, judge_parameters(now))
            times.append((time.perf_counter() - began) * 1_000)
    print(
        f"{'the worker looks for dead points':36}{times[0]:>10.0f}"
        f"{statistics.median(times):>10.0f}{max(times):>10.0f}{1:>9}"
    )
