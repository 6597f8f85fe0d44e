"""An MQTT server on loopback that says what a test tells it to: what no real broker would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

CONNECT, SUBSCRIBE, PINGREQ = 0x10, 0x80, 0xC0
CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"


def remaining_length(number: int) -> bytes:
    """A frame's length as MQTT writes it (3.1.1, section 2.2.3)."""
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def publish(
    topic: bytes, payload: bytes, packet_id: int = 0, *, dup: bool = False, retain: bool = False
) -> bytes:
    """A PUBLISH as a broker writes it (section 3.3): QoS 1 if it has a packet id, else QoS 0."""
    body = len(topic).to_bytes(2) + topic
    if packet_id:
        body += packet_id.to_bytes(2)
    body += payload
    header = 0x30 | (0x02 if packet_id else 0) | (0x08 if dup else 0) | (0x01 if retain else 0)
    return bytes([header]) + remaining_length(len(body)) + body


@dataclass(frozen=True)
class Frame:
    """What the client sent."""

    kind: int
    body: bytes


class ServedClient:
    """One accepted connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes; returns before the client has read them."""
        self._writer.write(data)
        await self._writer.drain()

    async def frame(self) -> Frame:
        """The client's next frame. IncompleteReadError once it has closed the connection."""
        (header,) = await self._reader.readexactly(1)
        length = shift = 0
        while True:
            (digit,) = await self._reader.readexactly(1)
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return Frame(header & 0xF0, await self._reader.readexactly(length))

    async def expect(self, kind: int) -> Frame:
        """The client's next frame, which must be of this kind."""
        frame = await self.frame()
        assert frame.kind == kind, frame
        return frame

    async def accept(self) -> None:
        """Answer the CONNECT."""
        await self.expect(CONNECT)
        await self.send(CONNACK)

    async def grant(self, code: int = 1) -> None:
        """Answer a SUBSCRIBE, granting its one subscription."""
        subscribe = await self.expect(SUBSCRIBE)
        await self.send(b"\x90\x03" + subscribe.body[:2] + bytes([code]))

    async def closed(self) -> bytes:
        """Return what the client still sent, once it has closed the connection."""
        return await self._reader.read()

    def close(self) -> None:
        """Close the connection from this side."""
        self._writer.close()


class ScriptedBroker:
    """Accepts connections and hands them to the test."""

    def __init__(self, port: int, accepted: asyncio.Queue[ServedClient]) -> None:
        self.port = port
        self._accepted = accepted

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def client(self) -> ServedClient:
        """The next client that connects."""
        return await self._accepted.get()


@asynccontextmanager
async def scripted_broker() -> AsyncIterator[ScriptedBroker]:
    """Listen while the context is open; close what is left at its end."""
    accepted: asyncio.Queue[ServedClient] = asyncio.Queue()
    served: list[ServedClient] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(ServedClient(reader, writer))
        accepted.put_nowait(served[-1])

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield ScriptedBroker(server.sockets[0].getsockname()[1], accepted)
    finally:
        for client in served:
            client.close()
        server.close()
        await server.wait_closed()
