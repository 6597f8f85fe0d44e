"""The Mosquitto configuration that the project publishes keeps what it promises.

Killed, flooded, and with a site that means no good: on the files of `docs/deploy/mosquitto`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import aiomqtt
import psutil
import pytest

from tests import certificates
from tests.mosquitto import CONSOLE, PASSWORD, Mosquitto

WORKER = "forecourt-ingest"
LEDGER = "forecourt/v1/LON-1/ledger"
#: `autosave_interval`: what a broker that is killed may lose of what it acknowledged.
CHANGES_UNSAVED_MAX = 100
SALES = 500
FLOOD_PAYLOAD_BYTES = 50 * 1024 * 1024
FLOOD_MESSAGES = 8
#: Its own, and some room; one of the flood's payloads does not fit.
MEMORY_BYTES_MAX = 48 * 1024 * 1024
LANES = [
    *("ledger", "day", "deliveries", "alarms", "status", "prices"),
    *("pumps/3", "tanks/2"),
]


def client(
    broker: Mosquitto, username: str, *, port: int = 0, client_id: str = "", **options: Any
) -> aiomqtt.Client:
    """A client of somebody who signs in; a site's on the sites' listener unless a port is given."""
    own_port = broker.console_port if username == CONSOLE else broker.sites_port
    made = aiomqtt.Client(
        "127.0.0.1",
        port or own_port,
        username=username,
        password=PASSWORD,
        identifier=client_id or None,
        tls_context=ssl.create_default_context(cafile=certificates.AUTHORITY),
        **options,
    )
    made.pending_calls_threshold = SALES
    return made


def worker(broker: Mosquitto) -> aiomqtt.Client:
    """The worker's session, which outlives its connections."""
    return client(broker, CONSOLE, client_id=WORKER, clean_session=False)


async def keep_session(broker: Mosquitto) -> None:
    async with worker(broker) as console:
        await console.subscribe("forecourt/#", qos=1)


async def what_waits(broker: Mosquitto) -> list[bytes]:
    """Return the payloads that wait for the worker, up to one that is published behind them."""
    async with worker(broker) as console, aiomqtt.Client("127.0.0.1", broker.port) as last:
        await last.publish("forecourt/v1/LON-1/ledger", b"last", qos=1)
        payloads: list[bytes] = []
        async with asyncio.timeout(20):
            async for message in console.messages:
                if message.payload == b"last":
                    return payloads
                assert isinstance(message.payload, bytes)
                payloads.append(message.payload)
    raise AssertionError("the broker ended the connection")


async def try_to_publish(
    broker: Mosquitto, topic: str, payload: bytes, *, retain: bool = False
) -> None:
    """Publish as a site what it may not: Mosquitto acknowledges it, and may end the connection."""
    with contextlib.suppress(aiomqtt.MqttError):
        async with client(broker, "LON-1") as site:
            await site.publish(topic, payload, qos=1, retain=retain)


def publish_huge(port: int) -> int:
    """Sign in as a site and publish a huge message. Returns how much the broker took of it.

    By hand: a client's library would wait for an acknowledgement that never comes.
    """
    connect = b"\0\4MQTT\4\xc2\0\0" + field(b"LON-1") + field(b"LON-1") + field(PASSWORD.encode())
    publish = field(LEDGER.encode()) + b"\0\1"
    context = ssl.create_default_context(cafile=certificates.AUTHORITY)
    sent_bytes = 0
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as site,
    ):
        site.sendall(b"\x10" + remaining_length(len(connect)) + connect)
        assert site.recv(4) == b"\x20\2\0\0"
        site.sendall(b"\x32" + remaining_length(len(publish) + FLOOD_PAYLOAD_BYTES) + publish)
        with contextlib.suppress(OSError):
            while sent_bytes < FLOOD_PAYLOAD_BYTES:
                sent_bytes += site.send(b"x" * 65_536)
    return sent_bytes


def field(value: bytes) -> bytes:
    """Return a text as MQTT writes it, behind its length."""
    return len(value).to_bytes(2) + value


def remaining_length(value: int) -> bytes:
    """Return a length as MQTT writes it, seven bits a byte."""
    encoded = b""
    while True:
        value, low = divmod(value, 128)
        encoded += bytes([low | 0x80 if value else low])
        if not value:
            return encoded


async def test_a_broker_that_is_killed_has_kept_what_it_acknowledged(broker: Mosquitto) -> None:
    await keep_session(broker)
    async with client(broker, "LON-1") as site:
        for number in range(SALES):
            await site.publish(LEDGER, f"{number}", qos=1)
        await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    kept = await what_waits(broker)
    assert len(kept) >= SALES - CHANGES_UNSAVED_MAX
    # Nothing is lost from the middle: what is missing was acknowledged last.
    assert kept == [f"{number}".encode() for number in range(len(kept))]


async def test_a_flood_of_huge_messages_takes_no_memory(broker: Mosquitto) -> None:
    await keep_session(broker)
    process = psutil.Process(broker.process_id)
    for _ in range(FLOOD_MESSAGES):
        sent_bytes = await asyncio.to_thread(publish_huge, broker.sites_port)
        assert sent_bytes < FLOOD_PAYLOAD_BYTES
        assert process.memory_info().rss < MEMORY_BYTES_MAX
    assert await what_waits(broker) == []


async def test_a_payload_a_little_too_large_reaches_the_worker(broker: Mosquitto) -> None:
    """It is no flood, and the worker puts its beginning into quarantine for people to see."""
    await keep_session(broker)
    async with client(broker, "LON-1") as site:
        await site.publish(LEDGER, b"x" * (1024 * 1024 + 1), qos=1)
    assert [len(payload) for payload in await what_waits(broker)] == [1024 * 1024 + 1]


@pytest.mark.parametrize("clean_session", [True, False])
async def test_a_site_cannot_take_the_worker_s_session(
    broker: Mosquitto, clean_session: bool
) -> None:
    await keep_session(broker)
    async with client(broker, "LON-1", client_id=WORKER, clean_session=clean_session) as site:
        for number in range(50):
            await site.publish(LEDGER, f"{number}", qos=1)
    assert await what_waits(broker) == [f"{number}".encode() for number in range(50)]


@pytest.mark.parametrize("username", ["LON-1", "", "console"])
async def test_nobody_signs_in_at_the_other_s_listener(broker: Mosquitto, username: str) -> None:
    other = broker.sites_port if username == CONSOLE else broker.console_port
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with client(broker, username, port=other, client_id=WORKER):
            pass


async def test_a_site_writes_its_own_lanes_and_no_other(broker: Mosquitto) -> None:
    await keep_session(broker)
    async with client(broker, "LON-1") as site:
        for lane in LANES:
            await site.publish(f"forecourt/v1/LON-1/{lane}", lane, qos=1)
    for lane in ("commands", "seals", "other", "pumps/3/4"):
        await try_to_publish(broker, f"forecourt/v1/LON-1/{lane}", b"not to be written")
    for lane in (*LANES, "commands", "seals"):
        await try_to_publish(broker, f"forecourt/v1/LON-2/{lane}", b"another's")
    assert await what_waits(broker) == [lane.encode() for lane in LANES]


async def test_a_site_keeps_its_seal_and_hears_its_commands(broker: Mosquitto) -> None:
    """Neither may it overwrite its seal, nor read another's; and a kill leaves it what it was."""
    async with client(broker, CONSOLE) as console:
        for code in ("LON-1", "LON-2"):
            await console.publish(f"forecourt/v1/{code}/seals", code, qos=1, retain=True)
            # A broker saves after so many changes: these are others.
            for number in range(CHANGES_UNSAVED_MAX):
                topic = f"forecourt/v1/{code}/commands"
                await console.publish(topic, f"{number}", qos=1, retain=True)
    for payload in (b"", b"forged"):
        await try_to_publish(broker, "forecourt/v1/LON-1/seals", payload, retain=True)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    async with client(broker, "LON-1") as site, client(broker, CONSOLE) as console:
        await site.subscribe("forecourt/v1/+/seals", qos=1)
        await site.subscribe("forecourt/v1/+/commands", qos=1)
        await console.publish("forecourt/v1/LON-2/commands", b"for another", qos=1)
        await console.publish("forecourt/v1/LON-1/commands", b"for this one", qos=1)
        heard: list[tuple[str, Any]] = []
        async with asyncio.timeout(20):
            async for message in site.messages:
                heard.append((str(message.topic), message.payload))
                if message.payload == b"for this one":
                    break
    assert heard[0] == ("forecourt/v1/LON-1/seals", b"LON-1")
    assert {topic for topic, _ in heard} == {
        "forecourt/v1/LON-1/seals",
        "forecourt/v1/LON-1/commands",
    }
