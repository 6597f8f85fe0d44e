"""Cancellations that must not get lost.

A worker that is told to end a session but goes on with it would neither store nor let another one
take over. Two things lose a cancellation: `asyncio.wait_for`, which libraries use, forgets one
that arrives together with its result (Python 3.11); and an error that a library raises as it
cleans up takes its place, and is then taken for a loss of the connection and tried again.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: Longer than any clean-up takes that a second cancellation would disturb.
ASK_AGAIN_S = 20.0


def heed_cancellation() -> None:
    """Raise CancelledError if this task was cancelled: at the head of whatever tries again."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end; its own error stays in it."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=ASK_AGAIN_S)
    if not task.cancelled():
        task.exception()  # looked at, so that asyncio does not report it as forgotten
