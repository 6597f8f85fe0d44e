"""The link against a server that says what no real broker would, beside aiomqtt unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from ingest.mqtt import BrokerAddress, Link, connected, opened
from tests.integration.test_link import receive
from tests.scripted_broker import ScriptedBroker, ServedClient, publish, scripted_broker


@pytest.fixture
async def server() -> AsyncIterator[ScriptedBroker]:
    """A scripted broker; a test that waits for something that never comes fails soon."""
    async with asyncio.timeout(20), scripted_broker() as server:
        yield server


def other_tasks() -> set[asyncio.Task[None]]:
    """The tasks that run beside this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


async def enter(client: aiomqtt.Client) -> None:
    """Connect, and be connected until cancelled."""
    async with opened(client):
        await asyncio.Event().wait()


async def test_cancelling_before_the_broker_answered_leaves_nothing(server: ScriptedBroker) -> None:
    before = other_tasks()
    client = aiomqtt.Client("127.0.0.1", server.port, timeout=0.2)
    entering = asyncio.create_task(enter(client))
    served = await server.client()
    await served.frame()  # CONNECT, which stays unanswered
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert other_tasks() == before
    assert client._client.socket() is None
    assert await served.closed() == b""


async def test_a_broker_that_never_answers_leaves_nothing(server: ScriptedBroker) -> None:
    before = other_tasks()
    client = aiomqtt.Client("127.0.0.1", server.port, timeout=0.2)
    entering = asyncio.create_task(enter(client))
    served = await server.client()
    await served.frame()
    with pytest.raises(aiomqtt.MqttError, match="timed out"):
        await entering
    assert other_tasks() == before
    assert client._client.socket() is None
    assert await served.closed() == b""


async def test_cancelling_a_connection_that_came_up_parts_politely(server: ScriptedBroker) -> None:
    before = other_tasks()
    client = aiomqtt.Client("127.0.0.1", server.port)
    entering = asyncio.create_task(enter(client))
    served = await server.client()
    await served.frame()
    entering.cancel()
    await served.send(b"\x20\x02\x00\x00")
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert other_tasks() == before
    assert await served.closed() == b"\xe0\x00"


async def test_a_broker_that_closes_unanswered_is_not_waited_for(server: ScriptedBroker) -> None:
    async def connect() -> None:
        async with connected(BrokerAddress.parse(server.url), client_id="c", subscriptions=["#"]):
            pytest.fail("it was never connected")

    connecting = asyncio.create_task(connect())
    served = await server.client()
    await served.frame()
    served.close()
    with pytest.raises(aiomqtt.MqttError, match="closed the connection unanswered"):
        await connecting


@asynccontextmanager
async def linked(
    server: ScriptedBroker, *, granted: int = 1
) -> AsyncIterator[tuple[Link, ServedClient]]:
    """A link, and its other end; the broker has answered to all it asked."""

    async def accept() -> ServedClient:
        served = await server.client()
        await served.accept()
        await served.grant(granted)
        return served

    accepting = asyncio.create_task(accept())
    async with connected(
        BrokerAddress.parse(server.url), client_id="c", subscriptions=["#"]
    ) as link:
        yield link, await accepting


#: What a server may not say, and how the link calls it.
NONSENSE = {
    "QoS 2": (b"\x34\x05\x00\x01a\x00\x07", "a message of QoS 2"),
    "a broken length": (b"\x30\xff\xff\xff\xff\x01", "length runs over four bytes"),
    "DISCONNECT": (b"\xe0\x00", "Protocol error"),
    "CONNECT": (b"\x10\x00", "Protocol error"),
    "SUBSCRIBE": (b"\x82\x00", "Protocol error"),
    "an unknown kind": (b"\xf0\x00", "Protocol error"),
    "a SUBACK without a number": (b"\x90\x00", "Protocol error"),
    "a PUBACK without a number": (b"\x40\x00", "Protocol error"),
    "a code that SUBACK does not have": (b"\x90\x03\x00\x01\x07", "Protocol error"),
    "a late refusal": (b"\x20\x02\x00\x05", "Unspecified error"),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_ends_the_connection_after_what_came_before_it(
    server: ScriptedBroker, name: str
) -> None:
    before = other_tasks()
    nonsense, why = NONSENSE[name]
    async with linked(server) as (link, served):
        await served.send(publish(b"a", b"before", 1) + nonsense + publish(b"a", b"after", 2))
        assert (await receive(link, count=1))[0] == (b"a", b"before", 1)
        with pytest.raises(aiomqtt.MqttError, match=why):
            await receive(link, count=1)
        assert await served.closed() == b""
    assert other_tasks() == before


@pytest.mark.parametrize("granted", [0, 2, 0x80])
async def test_a_subscription_of_another_qos_is_a_refusal(
    server: ScriptedBroker, granted: int
) -> None:
    """At QoS 0 messages would be lost without anybody noticing."""
    with pytest.raises(
        aiomqtt.MqttError, match="the broker refuses the subscription to # at QoS 1"
    ):
        async with linked(server, granted=granted) as (link, _):
            await receive(link, count=1)
