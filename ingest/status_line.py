"""What `manage.py ingest` shows on a terminal: a line for each second, like vmstat.

Lines, and not one that is rewritten in place: the log shares the terminal, and what happened a
minute ago is what one scrolls back for. A header comes again each screenful.
"""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any, TextIO

from ledger.models.operations import IngestWorker

if TYPE_CHECKING:
    import datetime

#: The header comes again after as many lines as the terminal has, and at most so many.
HEADER_EVERY_LINES_MAX = 40

_COUNTS = (
    ("received", 9),
    ("live", 8),
    ("stored", 8),
    ("duplicates", 7),
    ("quarantined", 7),
)
_TIMES = (
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_max",
    "lag_ms_p99",
    "late_lag_ms_p99",
)
_HEADER = (
    f"{'time':<8}{'received':>9}{'live':>8}{'stored':>8}{'repeat':>7}{'quar.':>7}"
    f"{'p50':>7}{'p95':>7}{'p99':>7}{'max':>7}{'lag':>7}{'late':>7}{'held':>7}"
)
_NO_BROKER = "  no broker"


def status_header() -> str:
    """Return the columns' names: counts of the second, latency receipt to commit, lag p99 of
    live entries and of late ones."""
    return _HEADER


def status_line(row: dict[str, Any], at: datetime.datetime) -> str:
    """Return a second (`Meter.row`, `backlog` and `state`) in the header's columns."""
    counts = "".join(f"{_count(row[name]):>{width}}" for name, width in _COUNTS)
    times = "".join(f"{_time(row[name]):>7}" for name in _TIMES)
    note = _NO_BROKER if row["state"] == IngestWorker.State.DISCONNECTED else ""
    return f"{at:%H:%M:%S}{counts}{times}{_count(row['backlog']):>7}{note}"


def _count(value: int) -> str:
    """Return a count in at most six characters: 12,345, 123k and 1.2M."""
    if value < 100_000:
        return f"{value:,}"
    return f"{value // 1_000}k" if value < 1_000_000 else f"{value / 1_000_000:.1f}M"


def _time(milliseconds: float | None) -> str:
    """Return a time in at most six characters: 12ms, 1.2s, 3.4h, a dash for none."""
    if milliseconds is None:
        return "-"
    if milliseconds < 10:
        return f"{milliseconds:.1f}ms"
    if milliseconds < 1_000:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1_000
    for size, unit in ((1, "s"), (60, "m"), (3_600, "h")):
        if seconds < size * (24 if unit == "h" else 60):
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds / 86_400:.0f}d"


class StatusLines:
    """Prints the lines to a terminal, in a thread of its own.

    A terminal can be held (Ctrl-S, a selection), and the worker must not wait for it: while a
    line is not taken, those after it are left out.
    """

    def __init__(self, terminal: TextIO) -> None:
        # Past the stream's buffer, whose lock a held terminal would keep until the very end.
        self._descriptor = terminal.fileno()
        self._lines = 0
        self._printing: threading.Thread | None = None

    def show(self, row: dict[str, Any], at: datetime.datetime) -> None:
        """Print a second, unless the terminal still holds an earlier one up."""
        if self._printing is not None and self._printing.is_alive():
            return
        size = shutil.get_terminal_size()
        text = [status_line(row, at)]
        if self._lines % min(max(size.lines - 1, 1), HEADER_EVERY_LINES_MAX) == 0:
            text.insert(0, status_header())
        self._lines += 1
        # Cut, so that a narrow terminal does not wrap what then reads as nothing.
        whole = "".join(line[: size.columns] + "\n" for line in text)
        self._printing = threading.Thread(
            target=os.write, args=(self._descriptor, whole.encode()), daemon=True
        )
        self._printing.start()
