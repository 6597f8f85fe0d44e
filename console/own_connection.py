"""Whose connection it is: pages share some, and give them back; work that may last has its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

CONNECT_TIMEOUT_S = 5


def connections_give_back() -> None:
    """Give back what this thread has of connections, but for a transaction that is under way.

    As Django does at the end of a request, who would also break such a transaction off: tests run
    requests in one.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


@contextlib.contextmanager
def own_snapshot(application_name: str, *, statement_max_s: int) -> Iterator[Any]:
    """Give this thread a connection of its own while the context is open; yields Django's wrapper.

    All that the thread reads is of one moment, and it writes nothing (REPEATABLE READ, READ ONLY).
    The ORM uses it, too. Only for a thread that has no connection yet.
    """
    usual = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {
        **{name: value for name, value in usual.settings_dict["OPTIONS"].items() if name != "pool"},
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
    }
    own: Any = type(usual)({**usual.settings_dict, "OPTIONS": options}, DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS] = own
    try:
        with transaction.atomic(durable=True), own.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = %s", [f"{statement_max_s}s"])
            yield own
    finally:
        own.close()
        del connections[DEFAULT_DB_ALIAS]
