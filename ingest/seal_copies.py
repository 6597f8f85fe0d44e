"""The newest seals as the broker keeps them for the sites: copies outside of the database."""

from __future__ import annotations

import asyncio
import datetime

import aiomqtt
import msgspec

from ingest import contract
from ingest.mqtt import CONNECT_TIMEOUT_S, BrokerAddress, opened
from ingest.topics import SEALS
from ledger.copy_verification import SealCopy

#: A broker sends what it retains at once after the subscription; when it has been silent for so
#: long, there is no more.
SILENCE_S = 1.0


async def seal_copies(address: BrokerAddress) -> dict[str, SealCopy]:
    """Return the retained seals by site code. aiomqtt.MqttError without a broker.

    A payload that is no seal is a copy that agrees with nothing.
    """
    copies: dict[str, SealCopy] = {}
    client = aiomqtt.Client(**address.client_options(), timeout=CONNECT_TIMEOUT_S)
    async with opened(client):
        await client.subscribe(contract.topic("+", SEALS), qos=1)
        messages = aiter(client.messages)
        while True:
            try:
                message = await asyncio.wait_for(anext(messages), SILENCE_S)
            except TimeoutError:
                return copies
            site_code = str(message.topic).split("/")[2]
            copies[site_code] = _copy(message.payload)


def _copy(payload: object) -> SealCopy:
    try:
        seal = msgspec.json.decode(bytes(payload), type=contract.Seal)  # type: ignore[call-overload]
    except msgspec.MsgspecError:
        return SealCopy(fiscal_day=datetime.date.min, z_number=0, seal="")
    return SealCopy(fiscal_day=seal.fiscal_day, z_number=seal.z_number, seal=seal.seal)
