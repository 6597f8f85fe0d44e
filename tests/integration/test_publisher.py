"""The publisher against a real broker: acknowledged, resumed, willed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from console.embedded.broker import running_broker
from ingest.mqtt import BrokerAddress as IngestAddress
from ingest.publication import Publication
from ingest.publisher import IN_FLIGHT_MAX, Publisher
from tests.conftest import BrokerAddress, free_port

WILL = Publication("forecourt/v1/WILLED/status", b"gone", 1, True)


def message(number: int, topic: str = "forecourt/v1/PUBLISHER/ledger") -> Publication:
    return Publication(topic, str(number).encode(), 1, False)


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[Publisher]:
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        await asyncio.wait((task,))


@asynccontextmanager
async def subscribed(port: int, topic: str) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic, qos=1)
        yield client


async def payloads(client: aiomqtt.Client, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(20):
        async for received in client.messages:
            found.append(received.payload)
            if len(found) == count:
                break
    return found


async def test_it_publishes_in_order_and_returns_when_acknowledged(
    embedded_broker: BrokerAddress,
) -> None:
    count = IN_FLIGHT_MAX * 5
    publisher = Publisher(IngestAddress.parse(embedded_broker.url))
    async with (
        subscribed(embedded_broker.port, "forecourt/v1/PUBLISHER/ledger") as client,
        running(publisher),
    ):
        await asyncio.gather(*(publisher.publish(message(n)) for n in range(count)))
        found = await payloads(client, count)
    assert found == [str(n).encode() for n in range(count)]


async def test_it_waits_for_a_broker_that_comes_later() -> None:
    port = free_port()
    publisher = Publisher(IngestAddress.parse(f"mqtt://127.0.0.1:{port}"))
    async with running(publisher):
        publishing = asyncio.create_task(publisher.publish(message(1)))
        with running_broker(port):
            async with asyncio.timeout(20):
                await publishing


async def test_it_publishes_again_what_a_lost_connection_left_open(
    embedded_broker: BrokerAddress,
) -> None:
    connected = 0

    def count_connections() -> None:
        nonlocal connected
        connected += 1

    publisher = Publisher(IngestAddress.parse(embedded_broker.url), on_connected=count_connections)
    async with (
        subscribed(embedded_broker.port, "forecourt/v1/PUBLISHER/ledger") as client,
        running(publisher),
    ):
        publishing = [asyncio.create_task(publisher.publish(message(n))) for n in range(300)]
        await publisher.wait_connected()
        publisher.cut()
        publisher.restore()
        async with asyncio.timeout(20):
            await asyncio.gather(*publishing)
        found: set[bytes] = set()
        while len(found) < 300:
            found.update(await payloads(client, 1))
    assert found == {str(n).encode() for n in range(300)}
    assert connected == 2


async def test_a_line_that_is_cut_leaves_the_last_will(embedded_broker: BrokerAddress) -> None:
    publisher = Publisher(IngestAddress.parse(embedded_broker.url), will=WILL)
    async with subscribed(embedded_broker.port, WILL.topic) as client, running(publisher):
        await publisher.wait_connected()
        publisher.cut()
        assert await payloads(client, 1) == [b"gone"]
        assert not publisher.is_connected


async def test_leaving_politely_leaves_no_will(embedded_broker: BrokerAddress) -> None:
    topic = "forecourt/v1/POLITE/status"
    publisher = Publisher(
        IngestAddress.parse(embedded_broker.url), will=Publication(topic, b"gone", 1, False)
    )
    async with subscribed(embedded_broker.port, "forecourt/v1/POLITE/#") as client:
        async with running(publisher):
            await publisher.wait_connected()
        await client.publish("forecourt/v1/POLITE/end", b"end", qos=1)
        assert await payloads(client, 1) == [b"end"]


async def test_it_hands_on_what_was_sent_while_it_was_away(embedded_broker: BrokerAddress) -> None:
    topic = "forecourt/v1/AWAY/commands"
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(10)

    def publisher() -> Publisher:
        return Publisher(
            IngestAddress.parse(embedded_broker.url),
            client_id="away",
            subscriptions=[topic],
            on_message=lambda *found: received.put_nowait(found),
        )

    async with running(publisher()) as first:
        await first.wait_connected()
    async with aiomqtt.Client("127.0.0.1", embedded_broker.port) as client:
        await client.publish(topic, b"resend", qos=1)
    async with running(publisher()), asyncio.timeout(20):
        assert await received.get() == (topic, b"resend")
