"""The embedded PostgreSQL's start, stop and address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from console.embedded.postgres import (
    DATABASE_NAME,
    PostgresNotStartedError,
    data_dir,
    embedded_database,
    running_postgres,
    server_process_id,
)

ROOT = Path(__file__).resolve().parents[2]


def connect(var_dir: Path) -> psycopg.Connection:
    config = embedded_database(var_dir)
    return psycopg.connect(
        host=config["HOST"], user=config["USER"], dbname=config["NAME"], autocommit=True
    )


def test_a_restart_keeps_the_data(tmp_path: Path) -> None:
    with running_postgres(tmp_path), connect(tmp_path) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    assert server_process_id(tmp_path) is None

    with running_postgres(tmp_path), connect(tmp_path) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_the_one_who_leaves_first_does_not_stop_it(tmp_path: Path) -> None:
    with running_postgres(tmp_path):
        with running_postgres(tmp_path):
            pass
        with connect(tmp_path) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server_process_id(tmp_path) is None


def test_a_killed_user_does_not_keep_it_running(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys; from console.embedded.postgres import running_postgres\n"
        "with running_postgres(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert server_process_id(tmp_path) is not None
    with running_postgres(tmp_path):
        pass
    assert server_process_id(tmp_path) is None


def test_a_leftover_that_names_another_process_is_no_server(tmp_path: Path) -> None:
    with running_postgres(tmp_path):
        pass
    leftover = data_dir(tmp_path) / "postmaster.pid"
    leftover.write_text(f"{os.getpid()}\n{data_dir(tmp_path)}\n1\n5432\n/nowhere\n\n\nready\n")
    assert server_process_id(tmp_path) is None
    with running_postgres(tmp_path), connect(tmp_path) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    var_dir = tmp_path / ("long" * 30)
    with running_postgres(var_dir), connect(var_dir) as connection:
        assert embedded_database(var_dir)["HOST"] != str(data_dir(var_dir))
        assert connection.execute("SELECT current_database()").fetchone() == (DATABASE_NAME,)


def test_a_path_that_is_short_enough(tmp_path: Path) -> None:
    assert embedded_database(tmp_path)["HOST"] == str(data_dir(tmp_path))


def test_a_missing_locale_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")
    with running_postgres(tmp_path), connect(tmp_path) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    assert os.environ["LC_ALL"] == "xx_YY.UTF-8"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with running_postgres(tmp_path):
        pass
    (data_dir(tmp_path) / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(PostgresNotStartedError, match=r"did not start in .*: database files are"),
        running_postgres(tmp_path),
    ):
        pass
