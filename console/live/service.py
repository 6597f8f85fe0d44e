"""The live part of one process: starts with the first viewer, ends with the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from django.conf import settings
from django.http import HttpRequest

from console.live.admission import Admission, admission_for
from console.live.changes import ChangeListener
from console.live.hub import Hub, Viewer
from console.live.render import fragment_html, topic_fragments
from console.live.threads import DatabaseThreads
from console.live.topics import Topic

logger = logging.getLogger(__name__)

#: Streams that one process serves at a time, those that still wait to be let in included.
STREAMS_MAX = 5_000
#: Rendering is Python: more threads than this would only contend for the interpreter.
RENDER_THREADS_MAX = 2
#: Admission has threads of its own, so that it never waits behind rendering.
ADMISSION_THREADS_MAX = 2
#: How long a new viewer waits for the connection that hears of changes.
LISTENING_WAIT_S = 2.0
#: Without notifications a stream would look live and be stale, so after this long all are ended;
#: the pages then poll, and say how old they are if that fails too.
DEAF_MAX_S = 5.0


class LiveUnavailable(Exception):
    """There can be no stream now: the server stops, is full, or has lost the database."""


class TooManyStreams(Exception):
    """The person has as many streams as one may have."""


class LiveService:
    """Listener, hub and threads. Belongs to the event loop that first uses it."""

    def __init__(self) -> None:
        self.hub = Hub(self._render)
        self.listener = ChangeListener(self.hub.announce)
        self._admission_threads = DatabaseThreads("admission", threads_max=ADMISSION_THREADS_MAX)
        self._render_threads = DatabaseThreads("render", threads_max=RENDER_THREADS_MAX)
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.streams = 0
        self._of_person: Counter[int] = Counter()
        #: Streams refused since the process began, because the person had as many as one may have.
        self.refused_of_person = 0

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a stream's place while the context is open. LiveUnavailable when there is none.

        It comes first, so that while the database is away nobody queues for it. Starts the
        listener if there was no stream before.
        """
        self._refuse_if_stopping()
        if self.streams >= STREAMS_MAX:
            raise LiveUnavailable("there are too many streams")
        self.streams += 1
        try:
            await self._listening()
            yield
        finally:
            self.streams -= 1

    async def admit(
        self, request: HttpRequest, code: str | None, fiscal_day: str | None = None
    ) -> Admission:
        """Return who asks and what they may watch; see `admission_for` for what it raises."""
        return await self._admission_threads.call(admission_for, request, code, fiscal_day)

    @contextlib.contextmanager
    def place_of(self, person_id: int) -> Iterator[None]:
        """Count a stream as a person's while the context is open. TooManyStreams beyond theirs."""
        if self._of_person[person_id] >= settings.STREAMS_PER_PERSON_MAX:
            self.refused_of_person += 1
            raise TooManyStreams
        self._of_person[person_id] += 1
        try:
            yield
        finally:
            self._of_person[person_id] -= 1
            if not self._of_person[person_id]:
                del self._of_person[person_id]

    @contextlib.contextmanager
    def watching(self, topic: Topic) -> Iterator[Viewer]:
        """Watch a topic while the context is open."""
        # Again, because the person was let in meanwhile.
        self._refuse_if_stopping()
        with self.hub.watching(topic) as viewer:
            yield viewer

    def end_streams(self) -> None:
        """End all streams and begin no other: the server is about to stop."""
        self._is_stopping = True
        self.hub.close_viewers()

    async def stop(self) -> None:
        """End everything that runs, and say what became of it."""
        self.end_streams()
        counts = self.hub.counts
        logger.info(
            "The hub rendered %d times, %d of them in vain; slow viewers skipped %d updates.",
            counts.renders + counts.failed_renders,
            counts.failed_renders,
            counts.skipped,
        )
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._admission_threads.stop()
        self._render_threads.stop()

    def _refuse_if_stopping(self) -> None:
        if self._is_stopping:
            raise LiveUnavailable("the server stops")

    async def _listening(self) -> None:
        """Return when changes are heard of; LiveUnavailable when that takes too long."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="live")
            self._task.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(LISTENING_WAIT_S):
                await self.listener.connected.wait()
        except TimeoutError as error:
            raise LiveUnavailable("the database is away") from error

    async def _render(self, topic: Topic) -> AsyncGenerator[tuple[str, str]]:
        """Render a topic piece by piece, so that topics which changed at once take turns."""
        call = self._render_threads.call
        for fragment in await call(topic_fragments, topic):
            html = await call(fragment_html, fragment)
            if html is None:
                self.hub.counts.failed_renders += 1
            else:
                yield fragment.name, html

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.listener.run(), name="live listener")
            tasks.create_task(self._end_streams_when_deaf(), name="live deafness")

    async def _end_streams_when_deaf(self) -> None:
        while True:
            await self.listener.disconnected.wait()
            try:
                async with asyncio.timeout(DEAF_MAX_S):
                    await self.listener.connected.wait()
            except TimeoutError:
                self.hub.close_viewers()
                await self.listener.connected.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Let the next viewer start it anew if a fault ended it, and say so loudly."""
        self._task = None
        if not task.cancelled() and (error := task.exception()):
            logger.critical("The listener failed; all streams end", exc_info=error)
            self.hub.close_viewers()


#: The one of this process.
SERVICE = LiveService()
