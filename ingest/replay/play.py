"""Publishing timed messages at a chosen pace, until the broker has acknowledged the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from ingest.publication import publication
from ingest.publisher import CONNECT_SECONDS, IN_FLIGHT_MAX, Publisher
from ingest.replay.ccs import TimedMessage


class NoBrokerError(Exception):
    """Nothing answered where the broker should be."""


async def play(
    publisher: Publisher,
    messages: Iterable[TimedMessage],
    *,
    speed: float | None,
    connect_seconds: float = CONNECT_SECONDS,
    on_acknowledged: Callable[[], None],
) -> None:
    """Publish all messages, and return when the broker has acknowledged every one.

    `speed` is how many times faster than the messages' own times; None is as fast as it goes.
    Raises NoBrokerError when there is no connection after `connect_seconds`; one that is lost
    later is waited for.
    """
    running = asyncio.create_task(publisher.run())
    try:
        try:
            async with asyncio.timeout(connect_seconds):
                await publisher.wait_connected()
        except TimeoutError:
            raise NoBrokerError from None
        await _publish_all(publisher, messages, speed, on_acknowledged)
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def _publish_all(
    publisher: Publisher,
    messages: Iterable[TimedMessage],
    speed: float | None,
    on_acknowledged: Callable[[], None],
) -> None:
    room = asyncio.Semaphore(IN_FLIGHT_MAX)
    clock = asyncio.get_running_loop().time
    began = clock()
    first = None

    async def publish_one(timed: TimedMessage) -> None:
        try:
            await publisher.publish(publication(timed.site_code, timed.lane, timed.message))
            on_acknowledged()
        finally:
            room.release()

    async with asyncio.TaskGroup() as tasks:
        for timed in messages:
            first = first or timed.at
            if speed is not None:
                due = began + (timed.at - first).total_seconds() / speed
                await asyncio.sleep(due - clock())  # the pace asked for; nothing else to await
            await room.acquire()
            tasks.create_task(publish_one(timed))
