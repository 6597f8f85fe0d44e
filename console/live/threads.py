"""Threads for the ORM, which would block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """A few threads that call functions which use the ORM.

    No more of them wait for the database at a time than the threads there are, and none keeps
    its connection: outside a request nobody else would give it back.
    """

    def __init__(self, name: str, *, threads_max: int) -> None:
        self._executor = ThreadPoolExecutor(threads_max, thread_name_prefix=name)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in one of the threads and return what it returns."""

        def run() -> T:
            try:
                return function(*args, **kwargs)
            finally:
                connections.close_all()

        return await asyncio.get_running_loop().run_in_executor(self._executor, run)

    def stop(self) -> None:
        """Take no more calls; those that run come to their end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
