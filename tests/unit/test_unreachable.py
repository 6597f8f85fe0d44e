"""What a person reads when the database or the broker is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import aiomqtt
import psycopg
import pytest
from django.db import OperationalError

from console.embedded.unreachable import explanation

ROOT = Path(__file__).resolve().parents[2]


def test_a_broker_that_is_away() -> None:
    told = explanation(aiomqtt.MqttError("[Errno 111] Connection refused"))
    assert told
    assert "The MQTT broker at mqtt://" in told


def test_a_group_of_the_same() -> None:
    error = ExceptionGroup("x", [ConnectionRefusedError("refused"), aiomqtt.MqttError("x")])
    assert "The MQTT broker" in (explanation(error) or "")


def test_a_defect_is_not_explained_away() -> None:
    assert explanation(ValueError("x")) is None
    assert explanation(ExceptionGroup("x", [ConnectionRefusedError(), ValueError()])) is None


def test_a_refused_statement_is_not_explained_away() -> None:
    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = psycopg.errors.LockNotAvailable()
    assert explanation(error) is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "The database of DATABASE_URL"),
        ({"DATABASE_URL": ""}, "The embedded PostgreSQL in"),
        ({"PORT": "eighty"}, "The configuration cannot be used: PORT is 'eighty'"),
        ({"DEBUG": "0", "SECRET_KEY_FILE": ""}, "Set the SECRET_KEY environment variable"),
    ],
)
def test_a_command_ends_with_one_line(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    ended = subprocess.run(
        [sys.executable, "manage.py", "showmigrations"],
        cwd=ROOT,
        env=clean
        | {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "console.settings"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
