"""The link against a server that says what no real broker would, beside aiomqtt unmodified."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from ingest.mqtt import BrokerAddress, Link, Message, connected, opened
from tests.integration.test_link import receive
from tests.scripted_broker import (
    PINGREQ,
    PINGRESP,
    ScriptedBroker,
    ServedClient,
    publish,
    scripted_broker,
)


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


# --- beside aiomqtt unmodified ------------------------------------------------------------------


async def through_link(
    server: ScriptedBroker, streams: list[bytes], count: int
) -> list[tuple[str, bytes, int]]:
    """Topic, payload and QoS of what the link receives; each stream but the last one is cut off."""
    received: list[Message] = []
    for stream in streams:
        async with linked(server) as (link, served):
            sending = asyncio.create_task(served.send(stream))
            if stream is streams[-1]:
                received += await receive(link, count=count - len(received))
            else:
                await sending
                served.close()
                with contextlib.suppress(aiomqtt.MqttError):
                    async for chunks in link.chunks():
                        received += [one for chunk in chunks for one in chunk.messages]
            await sending
    return [(topic.decode(), payload, int(packet_id > 0)) for topic, payload, packet_id in received]


async def through_aiomqtt(
    server: ScriptedBroker, streams: list[bytes], count: int
) -> list[tuple[str, bytes, int]]:
    """The same of what aiomqtt's own client receives."""
    received: list[tuple[str, bytes, int]] = []
    for stream in streams:

        async def play(stream: bytes) -> None:
            served = await server.client()
            await served.accept()
            await served.grant()
            await served.send(stream)
            if stream is not streams[-1]:
                served.close()

        playing = asyncio.create_task(play(stream))
        client = aiomqtt.Client("127.0.0.1", server.port, identifier="c", clean_session=False)
        with contextlib.suppress(aiomqtt.MqttError):
            async with opened(client):
                await client.subscribe("#", qos=1)
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    received.append((str(message.topic), message.payload, message.qos))
                    if len(received) == count:
                        break
        await playing
    return received


async def assert_same(
    server: ScriptedBroker, *streams: bytes, expected: list[tuple[str, bytes, int]]
) -> None:
    """Assert that both receive these messages, in this order."""
    assert await through_aiomqtt(server, list(streams), len(expected)) == expected
    assert await through_link(server, list(streams), len(expected)) == expected


#: Every kind of frame that a server may send, around messages with every flag.
EVERY_KIND = b"".join(
    [
        publish(b"a/0", b"zero"),
        publish(b"a/1", b"one", 1),
        b"\x40\x02\x00\x07",  # PUBACK
        publish(b"a/1", b"one", 1, dup=True),
        b"\x50\x02\x00\x07",  # PUBREC
        publish(b"a/r", b"retained", retain=True),
        b"\x62\x02\x00\x07",  # PUBREL
        publish(b"a/r", b"retained", 2, dup=True, retain=True),
        b"\x70\x02\x00\x07",  # PUBCOMP
        publish("ä/€".encode(), b"\x00\xff\x30\x00", 65_535),
        b"\xd0\x00",  # PINGRESP
        publish(b"a", b""),
        b"\x20\x02\x01\x00",  # CONNACK once more
        publish(b"a", b"", 3),
    ]
)
EVERY_MESSAGE = [
    *(("a/0", b"zero", 0), ("a/1", b"one", 1), ("a/1", b"one", 1), ("a/r", b"retained", 0)),
    *(("a/r", b"retained", 1), ("ä/€", b"\x00\xff\x30\x00", 1), ("a", b"", 0), ("a", b"", 1)),
]


async def test_every_kind_of_frame_in_reads_of_every_size(
    server: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await assert_same(server, EVERY_KIND, expected=EVERY_MESSAGE)
    for size in range(1, len(EVERY_KIND)):
        monkeypatch.setattr("ingest.mqtt.READ_BYTES", size)
        assert await through_link(server, [EVERY_KIND], len(EVERY_MESSAGE)) == EVERY_MESSAGE


async def test_lengths_of_one_to_four_bytes(server: ScriptedBroker) -> None:
    # What a topic of one letter and a packet id leave of the longest frame of each length.
    sizes = [size for digits in (1, 2, 3) for size in (128**digits - 6, 128**digits - 5)]
    payloads = [(str(size % 10) * size).encode() for size in [*sizes, 3_000_000]]
    await assert_same(
        server,
        b"".join(publish(b"a", payload, n) for n, payload in enumerate(payloads, 1)),
        expected=[("a", payload, 1) for payload in payloads],
    )


async def test_half_a_frame_is_forgotten_with_its_connection(server: ScriptedBroker) -> None:
    first, second = publish(b"a", b"first", 1), publish(b"a", b"second" * 50, 2)
    again = publish(b"a", b"second" * 50, 2, dup=True) + publish(b"a", b"third", 3)
    for cut in (1, 2, 3, 5, 8, len(second) - 1):
        await assert_same(
            server,
            first + second[:cut],
            again,
            expected=[("a", b"first", 1), ("a", b"second" * 50, 1), ("a", b"third", 1)],
        )


@pytest.mark.parametrize(
    ("limit", "value"), [("INBOX_MESSAGES_MAX", 10), ("INBOX_BYTES_MAX", 10_000)]
)
async def test_a_full_inbox_stops_the_reading_and_the_connection_lives_on(
    server: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(f"ingest.mqtt.{limit}", value)
    monkeypatch.setattr("ingest.mqtt.KEEPALIVE_S", 1)
    count = 20_000
    payload = b"x" * 1_000
    async with linked(server) as (link, served):
        stream = b"".join(publish(b"a", payload, n) for n in range(1, count + 1))
        sending = asyncio.create_task(served.send(stream))
        for _ in range(2):  # the answers wait behind what is not read
            await served.expect(PINGREQ)
        assert not sending.done()
        assert link.held < 1_000
        received = await receive(link, count=count)
        await sending
        assert [packet_id for _, _, packet_id in received] == list(range(1, count + 1))
        # Read on, it waits for an answer again, and gets it.
        await served.send(PINGRESP)
        await served.expect(PINGREQ)
        await served.send(PINGRESP + publish(b"a", b"last", 1))
        assert await receive(link, count=1) == [(b"a", b"last", 1)]


async def test_a_broker_that_answers_no_ping_is_given_up(
    server: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.mqtt.KEEPALIVE_S", 1)
    async with linked(server) as (link, served):
        await served.expect(PINGREQ)
        with pytest.raises(aiomqtt.MqttError, match="Keep alive timeout"):
            await receive(link, count=1)


# --- nonsense -----------------------------------------------------------------------------------

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
