"""The link to a broker: what it acknowledges, and in which order."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiomqtt
import pytest

from ingest.mqtt import BrokerAddress, Link, Message, connected, opened
from tests import certificates
from tests.conftest import BrokerAddress as RunningBroker
from tests.integration.conftest import RigMaker


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


#: The embedded broker sends no more than 100 before it wants acknowledgements.
COUNT = 90


@pytest.mark.parametrize("line", ["embedded_broker", "mosquitto", "mosquitto with TLS"])
async def test_it_receives_what_aiomqtt_receives(
    line: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same traffic, with an inbox that is soon full: large, small, retained, QoS 0 and 1."""
    monkeypatch.setattr("ingest.mqtt.INBOX_MESSAGES_MAX", 5)
    monkeypatch.setattr("ingest.mqtt.INBOX_BYTES_MAX", 50_000)
    broker: RunningBroker = request.getfixturevalue(line.split()[0])
    address = BrokerAddress.parse(broker.url)
    if line.endswith("TLS"):
        authority = certificates.AUTHORITY.read_text()
        address = BrokerAddress.parse(broker.tls_url, authority=authority)
    name = f"beside-{line.replace(' ', '-')}"
    root = f"forecourt/beside/{name}"
    plain = aiomqtt.Client(**address.client_options())
    publisher = aiomqtt.Client("127.0.0.1", broker.port)
    publisher.pending_calls_threshold = 100
    async with asyncio.timeout(20), opened(publisher):
        await publisher.publish(f"{root}/kept", b"retained", qos=1, retain=True)
        async with (
            connected(address, client_id=name, subscriptions=[f"{root}/#"]) as link,
            opened(plain),
        ):
            await plain.subscribe(f"{root}/#", qos=1)
            # Both have the retained message, and so their subscription, before the others come.
            seen = await receive(link, count=1)
            beside = [await anext(plain.messages)]
            payloads = [
                number.to_bytes(2) * ((0, 1, 60, 200, 9_000, 40_000, 500_000)[number % 7] // 2)
                for number in range(COUNT)
            ]
            await asyncio.gather(
                *(
                    publisher.publish(f"{root}/{number}", payload, qos=int(number % 3 > 0))
                    for number, payload in enumerate(payloads)
                )
            )
            seen += await receive(link, count=COUNT)
            while len(beside) <= COUNT:
                beside.append(await anext(plain.messages))
            link.acknowledge([packet_id for _, _, packet_id in seen if packet_id])
        await publisher.publish(f"{root}/kept", b"", qos=1, retain=True)
    assert [(topic.decode(), payload, int(number > 0)) for topic, payload, number in seen] == [
        (str(message.topic), message.payload, message.qos) for message in beside
    ]


async def test_what_was_not_acknowledged_comes_again_over_tls(mosquitto: RunningBroker) -> None:
    authority = certificates.AUTHORITY.read_text()
    address = BrokerAddress.parse(mosquitto.tls_url, authority=authority)
    payloads = [bytes([n]) * 100_000 for n in range(50)]
    again = "forecourt/again/#"
    async with asyncio.timeout(20):
        async with aiomqtt.Client(
            "127.0.0.1", mosquitto.port, identifier="again", clean_session=False
        ) as before:
            await before.subscribe(again, qos=1)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as publisher:
            for payload in payloads:
                await publisher.publish("forecourt/again/n", payload, qos=1)
        for expected in (payloads, payloads[10:]):
            async with connected(
                address, client_id="again", subscriptions=["forecourt/again/#"]
            ) as link:
                messages = await receive(link, count=len(expected))
                assert [payload for _, payload, _ in messages] == expected
                link.acknowledge([packet_id for _, _, packet_id in messages[:10]])


async def test_a_worker_trusts_the_authority_that_it_is_told(
    make_rig: RigMaker, mosquitto: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MQTT_CA_FILE", str(certificates.AUTHORITY))
    rig = await make_rig(mosquitto)
    rig.start_worker(mqtt_url=mosquitto.tls_url)
    await rig.publish(("forecourt/v1/NOBODY/ledger", b"over TLS"))
    await rig.until("SELECT reason FROM quarantine", "unknown_site")


@pytest.mark.parametrize("authority", ["", certificates.OTHER_AUTHORITY.read_text()])
async def test_a_broker_that_nobody_trusts_is_not_spoken_to(
    mosquitto: RunningBroker, authority: str
) -> None:
    address = BrokerAddress.parse(mosquitto.tls_url, authority=authority)
    with pytest.raises(aiomqtt.MqttError, match="certificate verify failed"):
        async with connected(address, client_id="careful", subscriptions=["#"]):
            pytest.fail("it was connected")


async def test_a_certificate_for_another_name_is_none(mosquitto: RunningBroker) -> None:
    authority = certificates.AUTHORITY.read_text()
    address = BrokerAddress.parse(mosquitto.tls_url, authority=authority)
    with pytest.raises(aiomqtt.MqttError, match="certificate is not valid for 'localhost'"):
        async with connected(
            replace(address, host="localhost"), client_id="careful", subscriptions=["#"]
        ):
            pytest.fail("it was connected")
