"""`manage.py run`, as a person starts and stops it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from console.embedded.claims import running_mqtt_port
from console.embedded.postgres import embedded_database, server_process_id
from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
READY = "Data and logs"


class Run:
    """One `manage.py run` in a process group of its own, as a terminal would start it."""

    def __init__(self, var_dir: Path, *arguments: str, **environment: str) -> None:
        self.var_dir = var_dir
        self.port = free_port()
        self.mqtt_port = free_port()
        clean = {
            name: value
            for name, value in os.environ.items()
            if name not in {"SECRET_KEY", "DJANGO_SETTINGS_MODULE", "DEBUG"}
        }
        own = {
            "PORT": str(self.port),
            "MQTT_PORT": str(self.mqtt_port),
            "VAR_DIR": str(var_dir),
            "COLUMNS": "100",
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run", *arguments],
            cwd=ROOT,
            env=clean | own | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def wait_until_ready(self) -> None:
        """Read what it says until it is ready or ends."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if READY in line:
                return

    def wait(self) -> int:
        """Return its exit code; what it said to the end is in `said`."""
        self.said += self.process.communicate(timeout=60)[0]
        return self.process.returncode

    def interrupt(self) -> int:
        """Stop it as Ctrl-C does: the terminal signals the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def part(self, name: str) -> psutil.Process:
        """Return a part's process; it is waited for while it is being started again."""
        word = {"broker": "console.embedded.broker", "web": "console.embedded.web"}.get(
            name, {"worker": "ingest", "simulator": "simulate"}.get(name, "")
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if name == "database":
                if process_id := server_process_id(self.var_dir):
                    return psutil.Process(process_id)
            else:
                for child in psutil.Process(self.process.pid).children():
                    with contextlib.suppress(psutil.Error):
                        if word in child.cmdline():
                            return child
            time.sleep(0.05)  # a process rings no bell
        raise TimeoutError(f"{name} is not there\n{self.said}")

    def wait_until_said(self, words: str) -> None:
        """Read what it says until it says some words."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}\n{self.said}")

    def value_when_there(self, question: str) -> Any:
        """Return a query's value, as soon as the database answers."""
        deadline = time.monotonic() + 60
        while True:
            config = embedded_database(self.var_dir)
            try:
                with psycopg.connect(
                    host=config["HOST"], user=config["USER"], dbname=config["NAME"]
                ) as connection:
                    row = connection.execute(question).fetchone()
                    return row and row[0]
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # a database that is away rings no bell

    def until(self, question: str) -> None:
        """Return once a query's value is above 0."""
        deadline = time.monotonic() + 60
        while not self.value_when_there(question) > 0:
            assert time.monotonic() < deadline, f"{question!r} stays 0"
            time.sleep(0.1)

    def get(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.status


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """Runs that a test starts; none outlives it."""
    started: list[Run] = []
    yield started
    for run in started:
        if run.process.poll() is None:
            run.process.terminate()
            run.wait()


def count(var_dir: Path, table: str) -> int:
    config = embedded_database(var_dir)
    with psycopg.connect(
        host=config["HOST"], user=config["USER"], dbname=config["NAME"]
    ) as connection:
        row = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    assert row
    return row[0]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.timeout(180)
def test_it_starts_stops_and_finds_its_data_again(tmp_path: Path, runs: list[Run]) -> None:
    first = Run(tmp_path)
    runs.append(first)
    first.wait_until_ready()
    assert f"http://127.0.0.1:{first.port}/" in first.said
    assert re.search(r"manager +demo-manager", first.said)
    assert first.get("/sign-in/") == 200
    assert running_mqtt_port(tmp_path) == first.mqtt_port
    sites = count(tmp_path, "site")
    assert sites == 8

    beside = Run(tmp_path)
    runs.append(beside)
    assert beside.wait() == 2
    assert beside.said.startswith(f"The console runs already with the data in {tmp_path}")
    assert len(beside.said.splitlines()) == 1

    assert first.interrupt() == 0, first.said
    assert first.said.rstrip().endswith("Stopped.")
    assert "Traceback" not in first.said
    assert server_process_id(tmp_path) is None
    assert is_free(first.port)
    assert is_free(first.mqtt_port)

    second = Run(tmp_path, "--sites", "0")
    runs.append(second)
    second.wait_until_ready()
    assert "Migrating" not in second.said
    assert count(tmp_path, "site") == sites
    second.process.send_signal(signal.SIGTERM)
    assert second.wait() == 0, second.said
    assert server_process_id(tmp_path) is None


def test_a_taken_port_stops_it_before_anything_starts(tmp_path: Path, runs: list[Run]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for variable in ("PORT", "MQTT_PORT"):
            run = Run(tmp_path, **{variable: str(port)})
            runs.append(run)
            assert run.wait() == 2
            assert run.said.startswith(f"Port {port} (")
            assert f"{variable} changes it" in run.said
            assert len(run.said.splitlines()) == 1
    assert not (tmp_path / "postgres").exists()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("part", ["worker", "broker", "web", "simulator", "database"])
def test_a_part_that_was_killed_is_back_and_does_its_work(
    tmp_path: Path, runs: list[Run], part: str
) -> None:
    run = Run(tmp_path, "--sites", "2")
    runs.append(run)
    run.wait_until_ready()
    victim = run.part(part)
    victim.kill()
    run.wait_until_said("it is started again")
    stored = "SELECT coalesce(sum(stored), 0) FROM pulse"
    # What the sites go on to sell comes through all the parts.
    before = run.value_when_there("SELECT extract(epoch FROM clock_timestamp())")
    run.until(f"{stored} WHERE at > to_timestamp({before}) + interval '1 second'")
    assert run.get("/sign-in/") == 200
    assert run.part(part).pid != victim.pid
    assert run.interrupt() == 0, run.said
    assert "Traceback" not in run.said
    assert server_process_id(tmp_path) is None
    assert is_free(run.port)


def test_without_debug_it_makes_no_demo(tmp_path: Path, runs: list[Run]) -> None:
    refused = Run(tmp_path, DEBUG="off")
    runs.append(refused)
    assert refused.wait() == 1
    assert "Set the SECRET_KEY environment variable" in refused.said

    run = Run(tmp_path, DEBUG="off", SECRET_KEY="of-this-test", ALLOWED_HOSTS="console.example")
    runs.append(run)
    run.wait_until_ready()
    assert "DEBUG is off, so there is no demo" in run.said
    assert count(tmp_path, "person") == 0
    assert count(tmp_path, "site") == 0
    assert run.interrupt() == 0, run.said
