"""The line that a worker shows on a terminal each second."""

from __future__ import annotations

import datetime
import os
from typing import Any

import pytest

from ingest.pulse import Meter
from ingest.status_line import StatusLines, status_header, status_line
from ledger.models import IngestWorker

AT = datetime.datetime(2026, 11, 24, 10, 42, 7, tzinfo=datetime.UTC)


def row(**values: Any) -> dict[str, Any]:
    return {**Meter().row(), "backlog": 0, "state": IngestWorker.State.CONNECTED} | values


def test_a_second_of_nothing_has_zeros_and_dashes() -> None:
    assert status_line(row(), AT).split() == ["10:42:07", *"00000", *"------", "0"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"received": 99_999}, "99,999"),
        ({"received": 123_456}, "123k"),
        ({"received": 1_000_000}, "1.0M"),
        ({"latency_ms_p50": 0.44}, "0.4ms"),
        ({"latency_ms_p95": 12.4}, "12ms"),
        ({"latency_ms_p99": 1_234.0}, "1.2s"),
        ({"latency_ms_max": 61_000.0}, "1.0m"),
        ({"lag_ms_p99": 7_200_000.0}, "2.0h"),
        ({"late_lag_ms_p99": 3 * 86_400_000.0}, "3d"),
        ({"state": IngestWorker.State.DISCONNECTED}, "no broker"),
    ],
)
def test_figures_are_short(values: dict[str, Any], words: str) -> None:
    assert words in status_line(row(**values), AT)


@pytest.mark.parametrize("count", [0, 99_999, 999_999, 2_000_000])
def test_it_keeps_the_header_s_columns(count: int) -> None:
    counts = dict.fromkeys(("received", "live", "stored", "duplicates", "quarantined"), count)
    times = dict.fromkeys(
        ("latency_ms_p50", "latency_ms_max", "lag_ms_p99", "late_lag_ms_p99"), 999.9
    )
    line = status_line(row(**counts, **times, backlog=count), AT)
    assert len(line) == len(status_header()) <= 100
    assert len(line.split()) == len(status_header().split())


def test_a_terminal_that_is_held_does_not_hold_the_worker() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as held, os.fdopen(writing, "w") as terminal:
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"." * 65_536)
        except BlockingIOError:
            os.set_blocking(writing, True)
        lines = StatusLines(terminal)
        for _ in range(3):
            lines.show(row(received=5), AT)
        # The pipe is full: what was shown first waits in a thread, and the rest is left out.
        printing = lines._printing
        assert printing is not None
        assert printing.is_alive()
        os.set_blocking(reading, False)
        while printing.is_alive():
            held.read(65_536)
        said = b""
        while piece := held.read(65_536):
            said += piece
        assert said.count(b"10:42:07") <= 1
