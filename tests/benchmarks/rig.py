"""A database, a broker and measured processes for the benchmarks, apart from all others' data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
import psycopg
from psycopg.rows import dict_row

from console.embedded.postgres import embedded_database, running_postgres
from tests.benchmarks.memory import peak_mb
from tests.benchmarks.traffic import FISCAL_DAY, SITES, site_code
from tests.mosquitto import Mosquitto

ROOT = Path(__file__).resolve().parents[2]
VAR_DIR = Path(os.environ["VAR_DIR"])
LOOK_EVERY_S = 0.02
GIVE_UP_AFTER_S = 300

_TABLES = (
    "entry, day_total, payment_total, hour_total, fiscal_day, nozzle_state, pulse, quarantine, "
    "pump_state, tank_state, site_status"
)


@dataclass(frozen=True)
class Run:
    """What one measured run showed."""

    events: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    #: Second by second, as the worker's pulse has them.
    pulses: tuple[dict[str, Any], ...] = ()

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU of the measured process for one event, in microseconds."""
        return self.cpu_seconds / self.events * 1e6


def spread(values: list[float], form: str = ",.0f") -> str:
    """The median, and the least and the greatest in brackets."""
    middle = format(statistics.median(values), form)
    return f"{middle} [{format(min(values), form)}-{format(max(values), form)}]"


def machine() -> str:
    """One line that says what the figures were measured on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory_gb = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores of {cpu}, {memory_gb:.0f} GiB, "
        f"Python {platform.python_version()}, {platform.system()}"
    )


class Rig:
    """The servers while the benchmarks run."""

    def __init__(self, connection: psycopg.Connection[Any], mqtt_port: int) -> None:
        self.connection = connection
        self.mqtt_port = mqtt_port

    def value(self, question: str) -> Any:
        """Return the one value that a query gives."""
        row = self.connection.execute(question).fetchone()  # type: ignore[call-overload]
        return row and row[0]

    def rows(self, question: str) -> list[dict[str, Any]]:
        """Return a query's rows by the names of their columns."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(question).fetchall()  # type: ignore[call-overload]

    def until(self, question: str, least: float) -> None:
        """Return once a query gives at least so much."""
        began = time.perf_counter()
        while (self.value(question) or 0) < least:
            if time.perf_counter() - began > GIVE_UP_AFTER_S:
                raise TimeoutError(f"{question}: not {least} after {GIVE_UP_AFTER_S} s")
            time.sleep(LOOK_EVERY_S)

    def empty(self) -> None:
        """Forget all entries, and have the benchmark's sites registered."""
        self.connection.execute("SET session_replication_role = replica")
        self.connection.execute(f"TRUNCATE {_TABLES}")
        self.connection.execute("SET session_replication_role = DEFAULT")
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO site (code, name, brand, address, city, postcode, country, timezone, "
                "currency, is_closed, stale_after_s, cutoff, created_at, "
                "first_fiscal_day) VALUES (%s, 'Benchmark', "
                "'', '', '', '', '', 'Europe/London', 'GBP', false, 300, '07:00', now(), "
                "'2020-01-01') "
                "ON CONFLICT DO NOTHING",
                [(site_code(number),) for number in range(SITES)],
            )
        self.connection.execute("SELECT entry_partition_ensure(%s::date)", [FISCAL_DAY])
        self.connection.execute("CHECKPOINT")

    def forget_session(self, client_id: str) -> None:
        """Let the broker keep nothing more for a client."""

        async def open_clean() -> None:
            async with aiomqtt.Client("127.0.0.1", self.mqtt_port, identifier=client_id):
                pass

        asyncio.run(open_clean())

    def keep_session(self, client_id: str, subscription: str = "forecourt/#") -> None:
        """Let the broker keep, from now on, what comes for a client that is not there yet."""

        async def open_and_leave() -> None:
            async with aiomqtt.Client(
                "127.0.0.1", self.mqtt_port, identifier=client_id, clean_session=False
            ) as client:
                await client.subscribe(subscription, qos=1)

        # First without its old session: nothing of an earlier run is left in it.
        self.forget_session(client_id)
        asyncio.run(open_and_leave())

    def publish(self, count: int, *options: str) -> None:
        """Publish a stretch of the stream and wait until the broker has all of it."""
        self.start("tests.benchmarks.traffic", str(self.mqtt_port), str(count), *options).wait()

    def start(self, module: str, *arguments: str, **popen: Any) -> subprocess.Popen[str]:
        """Start a Python module with the rig's addresses in its environment."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=os.environ | self.environment,
            text=True,
            **popen,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process of the project where the rig's servers are."""
        return {
            "VAR_DIR": str(VAR_DIR),
            "MQTT_URL": f"mqtt://127.0.0.1:{self.mqtt_port}",
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "console.settings",
        }

    @contextlib.contextmanager
    def worker(self, *arguments: str) -> Iterator[psutil.Process]:
        """Run `manage.py ingest` while the context is open."""
        with self.start("manage", "ingest", *arguments, stderr=subprocess.DEVNULL) as process:
            try:
                yield psutil.Process(process.pid)
            finally:
                process.terminate()


def measure(processes: list[psutil.Process], progress: Callable[[], int], until: int) -> Run:
    """Measure processes from their first stored event until all are stored."""
    first: tuple[int, float, float] | None = None
    began = time.perf_counter()
    while True:
        count = progress()
        now = time.perf_counter()
        cpu = cpu_seconds(processes)
        if first is None and count:
            first = (count, now, cpu)
        if count >= until:
            assert first is not None
            peak = sum(peak_mb(process.pid) for process in processes)
            return Run(until - first[0], now - first[1], cpu - first[2], peak)
        if now - began > GIVE_UP_AFTER_S:
            raise TimeoutError(f"{count} of {until} events after {GIVE_UP_AFTER_S} s")
        time.sleep(LOOK_EVERY_S)


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """The CPU time that processes took so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def stored(rig: Rig) -> int:
    """How many entries are committed."""
    return int(rig.value("SELECT coalesce(sum(entry_count), 0) FROM fiscal_day"))


@contextlib.contextmanager
def running_rig(*, counts_statements: bool = False) -> Iterator[Rig]:
    """Start PostgreSQL and Mosquitto, migrated and empty; stop them afterwards."""
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    broker = Mosquitto(VAR_DIR)
    with _running_database(counts_statements=counts_statements) as connection:
        broker.start()
        try:
            rig = Rig(connection, broker.port)
            rig.start("manage", "migrate", "--verbosity=0").wait()
            rig.empty()
            yield rig
        finally:
            broker.stop()


@contextlib.contextmanager
def _running_database(*, counts_statements: bool) -> Iterator[psycopg.Connection[Any]]:
    change = "SET shared_preload_libraries = pg_stat_statements"
    with running_postgres(VAR_DIR), _connection() as connection:
        # Takes a restart, hence the second start below.
        connection.execute(
            f"ALTER SYSTEM {change if counts_statements else 'RESET shared_preload_libraries'}"
        )
    with running_postgres(VAR_DIR), _connection() as connection:
        if counts_statements:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        yield connection


def _connection() -> psycopg.Connection[Any]:
    database = embedded_database(VAR_DIR)
    return psycopg.connect(
        host=database["HOST"], dbname=database["NAME"], user=database["USER"], autocommit=True
    )
