"""Connections of the worker: the same database as Django's, without Django's ORM."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import connections
from psycopg_pool import AsyncConnectionPool

from ingest.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from psycopg import AsyncConnection

_STAGE_ENTRIES = load("stage_entries")

#: One for batches, one for live states, pulses and partitions, one for commands to sites, one for
#: what was released from quarantine, one for silent fuelling points, one for the audit trail.
POOL_CONNECTIONS_MAX = 6
POOL_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT_MS = 30_000
#: A server that lives has answered by then, be it that the statement took too long.
ANSWER_TIMEOUT_S = 35.0
#: How long a server may take over a request to cancel a statement.
CANCEL_TIMEOUT_S = 1.0
#: The server gives up a transaction that says nothing for so long, and what it holds locked: the
#: worker never pauses within one, so its line is dead.
TRANSACTION_SILENCE_MS = 20_000
#: What tells either side's operating system that the other is gone: a probe after so many idle
#: seconds, repeated at an interval, and data that nobody confirms.
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10, 5, 3
UNCONFIRMED_MS = 20_000

#: Errors that pass: the database is away, slow, full, locked or changing roles.
PASSING_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
#: Errors that the data itself caused: storing the same again would fail again.
DATA_ERRORS = (psycopg.DataError, psycopg.IntegrityError)


class WatchedConnection(psycopg.AsyncConnection[Any]):
    """A connection that does not wait for ever for a server that fell silent.

    No error ever comes on a half-open line, and a server that hangs still confirms what it is
    sent; only the missing answer tells. Every exchange with the server goes through `wait`.
    """

    #: How long an answer may take before it is an OperationalError.
    answer_timeout_s = ANSWER_TIMEOUT_S

    async def wait(self, *args: Any, **options: Any) -> Any:
        """Wait for an answer. After the time limit psycopg cancels the statement, or closes."""
        try:
            async with asyncio.timeout(self.answer_timeout_s):
                return await super().wait(*args, **options)
        except TimeoutError:
            raise psycopg.OperationalError(
                f"no answer from the server within {self.answer_timeout_s:g} s"
            ) from None

    async def cancel_safe(self, *, timeout: float = CANCEL_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Ask the server to cancel; if it cannot be asked, close, since nothing can be awaited."""
        try:
            await super().cancel_safe(timeout=min(timeout, CANCEL_TIMEOUT_S))
        except psycopg.Error:
            self.pgconn.finish()
            raise


def connection_parameters(*, application_name: str, **settings: int) -> dict[str, Any]:
    """Return psycopg's parameters for Django's default database.

    `settings` are of the server, for this connection alone.
    """
    parameters = connections["default"].get_connection_params()
    for name in ("cursor_factory", "context", "pool", "prepare_threshold", "row_factory"):
        parameters.pop(name, None)
    settings = {
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": TRANSACTION_SILENCE_MS,
        "tcp_keepalives_idle": KEEPALIVE_IDLE_S,
        "tcp_keepalives_interval": KEEPALIVE_INTERVAL_S,
        "tcp_keepalives_count": KEEPALIVE_COUNT,
        **settings,
    }
    return {
        "keepalives_idle": KEEPALIVE_IDLE_S,
        "keepalives_interval": KEEPALIVE_INTERVAL_S,
        "keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": UNCONFIRMED_MS,
        **parameters,
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "autocommit": True,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items())
        + " -c timezone=UTC",
    }


async def _prepare(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_STAGE_ENTRIES)


def make_pool(*, application_name: str) -> AsyncConnectionPool[AsyncConnection[Any]]:
    """Return a closed pool; its connections are ready for `ingest.store`."""
    return AsyncConnectionPool(
        connection_class=WatchedConnection,
        kwargs=connection_parameters(application_name=application_name),
        min_size=1,
        max_size=POOL_CONNECTIONS_MAX,
        timeout=POOL_TIMEOUT_S,
        configure=_prepare,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=application_name,
    )


@contextlib.asynccontextmanager
async def prepared_connection(*, application_name: str) -> AsyncIterator[AsyncConnection[Any]]:
    """Open a connection of its own for a command that stores as the worker does.

    Its statements may take as long as they take: somebody watches.
    """
    parameters = connection_parameters(application_name=application_name, statement_timeout=0)
    async with await psycopg.AsyncConnection.connect(**parameters) as connection:
        await _prepare(connection)
        yield connection
