"""What a web process tidies up now and then: sessions that ended, which nobody else deletes."""

from __future__ import annotations

import asyncio
import logging
import random

import psycopg
from django.contrib.sessions.models import Session
from django.db import Error
from django.utils import timezone

from console.live.threads import DatabaseThreads

logger = logging.getLogger(__name__)

#: How often, and how many at a time: several processes do it, each at a time of its own.
SESSIONS_CLEARED_EVERY_S = 3_600.0
SESSIONS_CLEARED_AT_ONCE = 5_000
#: The first time is soon, so that also a process that is often started anew comes to it.
FIRST_AFTER_MAX_S = 60.0


class Housekeeping:
    """Runs beside the pages from a server's start to its end."""

    def __init__(self) -> None:
        self._threads = DatabaseThreads("housekeeping", threads_max=1)
        self._task: asyncio.Task[None] | None = None
        #: Sessions deleted since the process began.
        self.sessions_cleared = 0
        #: Set once it was done for the first time.
        self.all_cleared = asyncio.Event()

    def start(self) -> None:
        """Begin, in the event loop that runs."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """End; what runs comes to its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._threads.stop()

    async def clear_sessions(self) -> None:
        """Delete all sessions that ended, some at a time."""
        while cleared := await self._threads.call(sessions_clear):
            self.sessions_cleared += cleared
        self.all_cleared.set()

    async def _run(self) -> None:
        await asyncio.sleep(random.uniform(0, FIRST_AFTER_MAX_S))  # noqa: S311
        while True:
            try:
                await self.clear_sessions()
            except (Error, psycopg.Error) as error:
                logger.warning("No session was cleared: %s", str(error).strip())
            await asyncio.sleep(SESSIONS_CLEARED_EVERY_S * random.uniform(0.5, 1))  # noqa: S311


def sessions_clear(*, at_once: int = SESSIONS_CLEARED_AT_ONCE) -> int:
    """Delete some sessions that ended; return how many."""
    ended = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    keys = list(ended.values_list("session_key", flat=True)[:at_once])
    deleted, _ = Session.objects.filter(session_key__in=keys).delete()
    return deleted


#: The one of this process.
HOUSEKEEPING = Housekeeping()
