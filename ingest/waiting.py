"""How the worker waits: longer each time, and for whichever comes first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0


class Backoff:
    """Waits that double up to a limit, spread a little so that workers do not march in step."""

    def __init__(self) -> None:
        self._next_s = BACKOFF_FIRST_S

    def reset(self) -> None:
        """Begin with short waits again."""
        self._next_s = BACKOFF_FIRST_S

    async def wait(self) -> None:
        """Wait, longer each time."""
        await asyncio.sleep(self._next_s * random.uniform(0.5, 1.0))  # noqa: S311 no secret
        self._next_s = min(self._next_s * 2, BACKOFF_MAX_S)


async def first_of(*awaitables: Coroutine[Any, Any, Any]) -> None:
    """Wait for whichever ends first, and cancel the others."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
