"""The hub by itself: rendered once for all, newest wins, nothing grows."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from console.live import hub as hub_module
from console.live import sse
from console.live.hub import Hub, Viewer, ViewerClosed
from console.live.topics import ANYTHING, Change, SiteTopic, Topic

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SITE = SiteTopic(site_id=1, language="en")
OTHER = SiteTopic(site_id=2, language="en")
FIRST = sse.event("pumps", "0") + sse.event("tanks", "full")


class Ledger:
    """Something to render: a number that tests change, and how often it was looked at."""

    def __init__(self) -> None:
        self.number = 0
        self.looks = 0
        self.fault: Exception | None = None
        self.tanks_are_ready = asyncio.Event()
        self.tanks_are_ready.set()

    async def render(self, topic: Topic) -> AsyncGenerator[tuple[str, str]]:
        self.looks += 1
        if self.fault:
            raise self.fault
        yield "pumps", str(self.number)
        await self.tanks_are_ready.wait()
        yield "tanks", "full"


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "RENDERS_PER_SECOND_MAX", 100)
    monkeypatch.setattr(hub_module, "RETRY_S", 0.02)


async def taken(viewer: Viewer) -> bytes:
    return await viewer.take(timeout_s=5)


async def test_a_viewer_first_gets_everything_and_then_what_changed() -> None:
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        assert await taken(viewer) == FIRST
        ledger.number = 1
        hub.announce(Change(sites=frozenset({1})))
        assert await taken(viewer) == sse.event("pumps", "1")


async def test_a_fragment_is_handed_on_while_others_are_still_being_rendered() -> None:
    ledger = Ledger()
    ledger.tanks_are_ready.clear()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        assert await taken(viewer) == sse.event("pumps", "0")
        assert hub.counts.renders == 0
        ledger.tanks_are_ready.set()
        assert await taken(viewer) == sse.event("tanks", "full")


async def test_all_viewers_get_the_same_bytes_of_one_rendering() -> None:
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as one, hub.watching(SITE) as two:
        await asyncio.gather(taken(one), taken(two))
        ledger.number = 1
        hub.announce(ANYTHING)
        frames = await asyncio.gather(taken(one), taken(two))
        assert frames[0] is frames[1]
        assert ledger.looks == 2
        with hub.watching(SITE) as late:
            assert sorted((await taken(late)).split(b"\n\n")) == sorted(
                (sse.event("pumps", "1") + sse.event("tanks", "full")).split(b"\n\n")
            )
        assert ledger.looks == 2


async def test_another_sites_change_renders_nothing() -> None:
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        await taken(viewer)
        hub.announce(Change(sites=frozenset({2})))
        hub.announce(Change(sites=frozenset(), pulse=True))
        assert await viewer.take(timeout_s=0.05) == b""
    assert ledger.looks == 1


async def test_many_changes_are_one_rendering() -> None:
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        await taken(viewer)
        for _ in range(1_000):
            hub.announce(ANYTHING)
        ledger.number = 1
        await taken(viewer)
        assert await viewer.take(timeout_s=0.05) == b""
    assert ledger.looks <= 3


async def test_a_viewer_who_takes_nothing_holds_only_the_newest() -> None:
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as slow, hub.watching(SITE) as quick:
        assert await taken(quick) == FIRST
        for number in range(1, 51):
            ledger.number = number
            hub.announce(ANYTHING)
            assert await taken(quick) == sse.event("pumps", str(number))
        assert await taken(slow) == sse.event("pumps", "50") + sse.event("tanks", "full")
        assert hub.counts.skipped == 50


async def test_a_topic_that_nobody_watches_costs_nothing() -> None:
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        await taken(viewer)
        with hub.watching(OTHER):
            assert (hub.counts.topics, hub.counts.viewers) == (2, 2)
    assert (hub.counts.topics, hub.counts.viewers) == (0, 0)
    hub.announce(ANYTHING)
    await asyncio.sleep(0.05)
    assert ledger.looks == 1
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_failure_is_logged_counted_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = Ledger()
    ledger.fault = RuntimeError("no tanks here")
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        with caplog.at_level(logging.ERROR):
            assert await viewer.take(timeout_s=0.05) == b""
        ledger.fault = None
        assert await taken(viewer) == FIRST
    assert hub.counts.failed_renders >= 1
    assert "no tanks here" in caplog.text


async def test_time_alone_renders_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "REFRESH_S", 0.02)
    ledger = Ledger()
    hub = Hub(ledger.render)
    with hub.watching(SITE) as viewer:
        await taken(viewer)
        ledger.number = 1
        assert await taken(viewer) == sse.event("pumps", "1")


async def test_closing_lets_every_viewer_end() -> None:
    hub = Hub(Ledger().render)
    with hub.watching(SITE) as viewer, hub.watching(OTHER) as other:
        hub.close_viewers()
        for each in (viewer, other):
            with pytest.raises(ViewerClosed):
                await taken(each)
