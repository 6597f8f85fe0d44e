"""`manage.py run`, as a person starts and stops it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

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


def test_a_part_that_dies_is_named_and_stops_all(tmp_path: Path, runs: list[Run]) -> None:
    run = Run(tmp_path, "--sites", "0")
    runs.append(run)
    run.wait_until_ready()
    children = psutil.Process(run.process.pid).children()
    (worker,) = (child for child in children if "ingest" in child.cmdline())
    worker.kill()
    assert run.wait() == 1
    assert "because worker was ended by signal 9 (SIGKILL)" in run.said
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
