"""What one run needs for itself alone: its folder and its ports.

Claimed before anything starts, so that a run that cannot work changes nothing. This module
imports nothing of Django: the settings ask it for the ports of the run that is up.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT_MAX = 65_535
LOOPBACK = "127.0.0.1"
#: Browsers that come before the server is up wait in a queue of this length.
BACKLOG = 1024


class ClaimError(Exception):
    """Something that the run needs is not to be had. Says so in a sentence."""


@contextlib.contextmanager
def claimed_folder(var_dir: Path, *, mqtt_port: int) -> Iterator[None]:
    """Keep other runs away from a folder, and leave there how this one can be reached."""
    import fcntl

    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        file = _run_file(var_dir).open("a+")
    except OSError as error:
        raise ClaimError(
            f"The folder {var_dir} cannot be written ({error.strerror}). "
            "VAR_DIR names another one, e.g. make run VAR_DIR=/tmp/forecourt"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClaimError(
                f"The console runs already with the data in {var_dir}"
                f"{_process(var_dir)}. VAR_DIR, PORT and MQTT_PORT give a second one its own, "
                "e.g. make run VAR_DIR=/tmp/forecourt PORT=8001 MQTT_PORT=1884"
            ) from None
        _write(file, json.dumps({"process_id": os.getpid(), "mqtt_port": mqtt_port}))
        try:
            yield
        finally:
            _write(file, "")


def running_mqtt_port(var_dir: Path) -> int | None:
    """Return the port of the embedded broker while a run is up, or None."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        run = json.loads(_run_file(var_dir).read_text())
        with contextlib.suppress(PermissionError):  # another person's process, but alive
            os.kill(run["process_id"], 0)
        return int(run["mqtt_port"])
    return None


def claimed_port(port: int, *, variable: str, purpose: str) -> socket.socket:
    """Open a listening socket on a port of this machine. ClaimError if that cannot be."""
    if not 0 <= port <= PORT_MAX:
        raise ClaimError(f"{variable} must be a port between 1 and {PORT_MAX}.")
    try:
        return socket.create_server((LOOPBACK, port), backlog=BACKLOG)
    except OSError as error:
        why = {
            errno.EADDRINUSE: "is taken by another program",
            errno.EACCES: "may not be used by this user",
        }.get(error.errno or 0, f"cannot be used ({error.strerror})")
        raise ClaimError(
            f"Port {port} ({purpose}) {why}. {variable} changes it, "
            f"e.g. make run {variable}={_another(port)}"
        ) from None


def require_free_port(port: int, *, variable: str, purpose: str) -> None:
    """Raise ClaimError unless a program may listen on the port that another process will open."""
    if port == 0:
        raise ClaimError(f"{variable} must be a port between 1 and {PORT_MAX}.")
    claimed_port(port, variable=variable, purpose=purpose).close()


def _run_file(var_dir: Path) -> Path:
    return var_dir / "run.json"


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _process(var_dir: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return f" (process {json.loads(_run_file(var_dir).read_text())['process_id']})"
    return ""


def _another(port: int) -> int:
    return port + 1 if 1024 <= port < PORT_MAX else 8080
