"""A run's folder and ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from console.embedded.claims import (
    ClaimError,
    claimed_folder,
    claimed_port,
    require_free_port,
    running_mqtt_port,
)


def test_a_claimed_port_listens() -> None:
    with claimed_port(0, variable="PORT", purpose="HTTP") as server:
        socket.create_connection(server.getsockname(), 1).close()


def test_a_taken_port_is_named_with_the_variable_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ClaimError) as caught:
            claimed_port(port, variable="PORT", purpose="HTTP")
    assert str(caught.value) == (
        f"Port {port} (HTTP) is taken by another program. PORT changes it, "
        f"e.g. make run PORT={port + 1}"
    )


def test_a_port_taken_on_all_addresses_is_taken() -> None:
    with socket.create_server(("", 0)) as other, pytest.raises(ClaimError, match="is taken"):
        require_free_port(other.getsockname()[1], variable="MQTT_PORT", purpose="MQTT")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port(port: int) -> None:
    with pytest.raises(ClaimError, match="MQTT_PORT must be a port between"):
        require_free_port(port, variable="MQTT_PORT", purpose="MQTT")


def test_the_broker_needs_a_port_that_others_know() -> None:
    with pytest.raises(ClaimError, match="MQTT_PORT must be a port between 1 and 65535"):
        require_free_port(0, variable="MQTT_PORT", purpose="MQTT")


def test_a_free_port_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    require_free_port(port, variable="MQTT_PORT", purpose="MQTT")
    socket.create_server(("127.0.0.1", port)).close()


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    with (
        claimed_folder(tmp_path, mqtt_port=1),
        pytest.raises(ClaimError) as caught,
        claimed_folder(tmp_path, mqtt_port=2),
    ):
        pass
    assert f"with the data in {tmp_path} (process {os.getpid()})" in str(caught.value)
    with claimed_folder(tmp_path, mqtt_port=3):
        pass


def test_a_folder_of_a_killed_run_can_be_claimed(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys; from console.embedded.claims import claimed_folder\n"
        "with claimed_folder(pathlib.Path(sys.argv[1]), mqtt_port=1884):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert json.loads((tmp_path / "run.json").read_text())["mqtt_port"] == 1884
    assert running_mqtt_port(tmp_path) is None
    with claimed_folder(tmp_path, mqtt_port=1885):
        assert running_mqtt_port(tmp_path) == 1885


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ClaimError, match="cannot be written"),
        claimed_folder(tmp_path / "file" / "var", mqtt_port=1),
    ):
        pass


def test_the_broker_is_remembered_while_the_run_is_up(tmp_path: Path) -> None:
    assert running_mqtt_port(tmp_path) is None
    with claimed_folder(tmp_path, mqtt_port=1884):
        assert running_mqtt_port(tmp_path) == 1884
    assert running_mqtt_port(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"process_id": "x"}', '{"process_id": 1}'])
def test_a_run_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert running_mqtt_port(tmp_path) is None
