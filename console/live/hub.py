"""The hub: renders each topic once for all who watch it, and hands everyone the newest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass

from console.live import sse
from console.live.topics import Change, Topic

logger = logging.getLogger(__name__)

#: However fast the ledger changes, a topic is not rendered more often than this.
RENDERS_PER_SECOND_MAX = 4
#: A topic is rendered this often even if nothing changed: what is late or silent shows by time.
REFRESH_S = 15.0
#: When a topic could not be rendered, it is tried again after this long.
RETRY_S = 2.0

#: Yields the name and the HTML of each fragment of a topic, as soon as it is rendered.
Render = Callable[[Topic], AsyncGenerator[tuple[str, str]]]


class ViewerClosed(Exception):
    """The hub has nothing more for this viewer."""


@dataclass(slots=True)
class HubCounts:
    """What the hub serves now (viewers, topics), and what it did since the process began."""

    viewers: int = 0
    topics: int = 0
    renders: int = 0
    failed_renders: int = 0
    #: Updates that a slow viewer did not take before a newer one came.
    skipped: int = 0


class Viewer:
    """What one stream has still to send: the newest frame of each fragment, and no queue.

    A viewer who reads slowly finds the newest when ready, has skipped what was in between (it is
    counted) and costs nobody else anything. There are never more frames than fragments, and the
    bytes are shared by all viewers.
    """

    def __init__(self, counts: HubCounts) -> None:
        self._counts = counts
        self._frames: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._is_closed = False

    def offer(self, name: str, frame: bytes) -> None:
        """Leave the newest frame of a fragment, instead of one that was not taken yet."""
        if name in self._frames:
            self._counts.skipped += 1
        self._frames[name] = frame
        self._wake.set()

    def close(self) -> None:
        """Let the stream end."""
        self._is_closed = True
        self._wake.set()

    async def take(self, *, timeout_s: float) -> bytes:
        """Return all frames that wait, or b"" after the time. ViewerClosed when it is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        self._wake.clear()
        if self._is_closed:
            raise ViewerClosed
        frames = list(self._frames.values())
        self._frames.clear()
        return frames[0] if len(frames) == 1 else b"".join(frames)


class Feed:
    """One topic, while somebody watches it."""

    def __init__(self, topic: Topic, render: Render, counts: HubCounts) -> None:
        self.topic = topic
        self.viewers: set[Viewer] = set()
        self._render = render
        self._counts = counts
        self._latest: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"live {topic}")

    def announce(self, change: Change) -> None:
        """Render soon if the change concerns the topic."""
        if self.topic.is_changed_by(change):
            self._changed.set()

    def add(self, viewer: Viewer) -> None:
        """Show the viewer what there is, and then each change."""
        self.viewers.add(viewer)
        for name, frame in self._latest.items():
            viewer.offer(name, frame)

    def remove(self, viewer: Viewer) -> None:
        """Forget the viewer."""
        self.viewers.discard(viewer)

    async def _run(self) -> None:
        """Render on a change or after a time, at most so often, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            self._changed.clear()
            started = clock()
            is_rendered = await self._render_once()
            took_s = clock() - started
            # The first change is shown at once, those that follow it closely are one. And where
            # rendering is slow, at least as long again is left to others.
            await asyncio.sleep(max(1 / RENDERS_PER_SECOND_MAX - took_s, took_s))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S if is_rendered else RETRY_S):
                    await self._changed.wait()

    async def _render_once(self) -> bool:
        try:
            async with contextlib.aclosing(self._render(self.topic)) as fragments:
                async for name, html in fragments:
                    self._hand_out(name, sse.event(name, html))
        except Exception:
            logger.exception("Could not render %s", self.topic)
            self._counts.failed_renders += 1
            return False
        self._counts.renders += 1
        return True

    def _hand_out(self, name: str, frame: bytes) -> None:
        """Leave a fragment with every viewer, unless they have it as it is."""
        if self._latest.get(name) != frame:
            self._latest[name] = frame
            for viewer in self.viewers:
                viewer.offer(name, frame)


class Hub:
    """All topics that somebody watches. Belongs to one event loop; topics unwatched cost nothing.

    `render` yields the fragments of a topic one by one: a viewer has the first of them while the
    others are still being rendered.
    """

    def __init__(self, render: Render) -> None:
        self.counts = HubCounts()
        self._render = render
        self._feeds: dict[Topic, Feed] = {}

    def announce(self, change: Change) -> None:
        """Take note of a change in the ledger."""
        for feed in self._feeds.values():
            feed.announce(change)

    @contextlib.contextmanager
    def watching(self, topic: Topic) -> Iterator[Viewer]:
        """Watch a topic while the context is open."""
        feed = self._feeds.get(topic)
        if feed is None:
            feed = self._feeds[topic] = Feed(topic, self._render, self.counts)
            self.counts.topics += 1
        viewer = Viewer(self.counts)
        feed.add(viewer)
        self.counts.viewers += 1
        try:
            yield viewer
        finally:
            self.counts.viewers -= 1
            feed.remove(viewer)
            if not feed.viewers:
                feed.task.cancel()
                del self._feeds[topic]
                self.counts.topics -= 1

    def close_viewers(self) -> None:
        """Let all streams end; each then leaves its topic."""
        for feed in self._feeds.values():
            for viewer in feed.viewers:
                viewer.close()
