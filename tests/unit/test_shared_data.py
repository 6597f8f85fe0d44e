"""The tests that read real data: left out in plain sight where it is missing, or required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
TARGET = "tests/integration/test_import_sites.py"


def run_pytest(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTEST, "-q", "-k", "real_register", TARGET],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def no_data(tmp_path: Path) -> str:
    return str(tmp_path / "missing")


def test_they_are_left_out_with_one_line(no_data: str) -> None:
    run = run_pytest(FORECOURT_SHARED_DATA=no_data, REQUIRE_SHARED_DATA="")
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, run.stdout
    lines = [line for line in run.stdout.splitlines() if "left out" in line]
    assert len(lines) == 1
    assert lines[0].startswith("1 tests left out: they read real data")


def test_they_fail_where_the_data_is_required(no_data: str) -> None:
    run = run_pytest(FORECOURT_SHARED_DATA=no_data, REQUIRE_SHARED_DATA="1")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
    assert "the real data is required and missing" in run.stdout
