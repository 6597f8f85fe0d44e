"""A PostgreSQL that tests may stop, kill and let run out of space, and what it holds."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from console.embedded.postgres import (
    DATABASE_NAME,
    data_dir,
    embedded_database,
    running_postgres,
    server_process_id,
)
from tests.worker_process import ROOT

#: Everything that a worker writes.
_TABLES = (
    "entry, day_total, payment_total, hour_total, declared_total, fiscal_day, totalizer, dip, "
    "nozzle_state, "
    "delivery, alarm, alarm_event, pump_state, tank_state, site_status, pulse, quarantine, site"
)


class Postgres:
    """A server of its own, with the project's tables in it."""

    def __init__(self, var_dir: Path) -> None:
        self.var_dir = var_dir
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Start the server; returns once it answers."""
        self._running.enter_context(running_postgres(self.var_dir))

    def stop(self) -> None:
        """Stop it in order: it ends what its clients are doing."""
        self._running.close()

    def kill(self, number: signal.Signals) -> None:
        """End it by a signal, and return when none of its processes is left.

        SIGQUIT is its own immediate shutdown; SIGKILL hits the first process alone, and the
        others notice.
        """
        first = psutil.Process(server_process_id(self.var_dir))
        processes = [first, *first.children(recursive=True)]
        os.kill(first.pid, number)
        psutil.wait_procs(processes)
        self._running.close()

    @property
    def socket(self) -> str:
        """The path of the Unix socket that it listens on."""
        return f"{embedded_database(self.var_dir)['HOST']}/.s.PGSQL.5432"

    @property
    def data_dir(self) -> Path:
        """The folder that holds the cluster."""
        return data_dir(self.var_dir)

    @property
    def url(self) -> str:
        """Its address for processes on this machine, by its socket."""
        folder = quote(embedded_database(self.var_dir)["HOST"], safe="")
        return f"postgresql://postgres@/{DATABASE_NAME}?host={folder}"

    def url_through(self, port: int) -> str:
        """Its address through a proxy."""
        return f"postgresql://postgres@127.0.0.1:{port}/{DATABASE_NAME}"

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection of our own, which commits by itself."""
        return psycopg.connect(self.url, autocommit=True)

    def make_tables(self) -> None:
        """Make the database anew, whatever an earlier run of another version left in it."""
        name = sql.Identifier(DATABASE_NAME)
        host = embedded_database(self.var_dir)["HOST"]
        with psycopg.connect(
            host=host, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=ROOT,
            env=os.environ
            | {"DATABASE_URL": self.url, "DJANGO_SETTINGS_MODULE": "console.settings"},
            check=True,
        )

    def empty(self, sites: Sequence[str], timezones: Sequence[str]) -> None:
        """Forget everything, and have these bare sites registered."""
        with self.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {_TABLES} CASCADE")  # type: ignore[arg-type]
            connection.execute("SET session_replication_role = DEFAULT")
            connection.cursor().executemany(
                "INSERT INTO site (code, name, brand, address, city, postcode, country, timezone, "
                "currency, is_closed, stale_after_s, cutoff, created_at, "
                "first_fiscal_day) VALUES (%s, 'Faulty', "
                "'', '', '', '', '', %s, 'GBP', false, 300, '07:00', now(), '2020-01-01')",
                [(site, timezones[n % len(timezones)]) for n, site in enumerate(sites)],
            )
