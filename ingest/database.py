"""Connections of the worker: the same database as Django's, without Django's ORM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from django.db import connections
from psycopg_pool import AsyncConnectionPool

from ingest.sql import load

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_STAGE_ENTRIES = load("stage_entries")

#: One for batches, one for live states, pulses and partitions, one for commands to sites.
POOL_CONNECTIONS_MAX = 3
POOL_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT_MS = 60_000

#: Errors that pass: the database is away, slow, full, locked or changing roles.
PASSING_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
#: Errors that the data itself caused: storing the same again would fail again.
DATA_ERRORS = (psycopg.DataError, psycopg.IntegrityError)


def connection_parameters(*, application_name: str) -> dict[str, Any]:
    """Return psycopg's parameters for Django's default database."""
    parameters = connections["default"].get_connection_params()
    for name in ("cursor_factory", "context", "pool", "prepare_threshold", "row_factory"):
        parameters.pop(name, None)
    return {
        **parameters,
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "autocommit": True,
        "options": (
            f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} "
            "-c timezone=UTC"
        ),
    }


async def _prepare(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_STAGE_ENTRIES)


def make_pool(*, application_name: str) -> AsyncConnectionPool[AsyncConnection[Any]]:
    """Return a closed pool; its connections are ready for `ingest.store`."""
    return AsyncConnectionPool(
        kwargs=connection_parameters(application_name=application_name),
        min_size=1,
        max_size=POOL_CONNECTIONS_MAX,
        timeout=POOL_TIMEOUT_S,
        configure=_prepare,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=application_name,
    )
