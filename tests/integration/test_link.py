"""The link to a broker: what it acknowledges, and in which order."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest

from ingest.mqtt import BrokerAddress, Link, Message, connected
from tests.conftest import BrokerAddress as RunningBroker


async def receive(link: Link, *, count: int) -> list[Message]:
    """Take messages until there are as many."""
    received: list[Message] = []
    async for chunks in link.chunks():
        received += [message for chunk in chunks for message in chunk.messages]
        if len(received) >= count:
            break
    return received


@pytest.mark.parametrize("broker_name", ["embedded_broker", "mosquitto"])
async def test_what_is_stored_out_of_order_is_acknowledged_in_order(
    broker_name: str, request: pytest.FixtureRequest
) -> None:
    broker: RunningBroker = request.getfixturevalue(broker_name)
    address = BrokerAddress.parse(broker.url)
    root = f"link/{broker_name}"
    async with (
        asyncio.timeout(20),
        connected(address, client_id=f"link-{broker_name}", subscriptions=[f"{root}/#"]) as link,
        aiomqtt.Client("127.0.0.1", broker.port) as publisher,
    ):
        for number in range(3):
            await publisher.publish(f"{root}/{number}", b"x", qos=1)
        packet_ids = [packet_id for _, _, packet_id in await receive(link, count=3)]
        for packet_id in reversed(packet_ids):
            link.acknowledge([packet_id])
        # A broker that minds the order has closed the connection by now.
        await publisher.publish(f"{root}/last", b"x", qos=1)
        ((topic, _, _),) = await receive(link, count=1)
        assert topic == f"{root}/last".encode()
