"""The link to the broker: bulk receipt, bounded, and acknowledgement when the worker says so.

This module alone reaches into aiomqtt and paho. aiomqtt connects, subscribes and keeps the
session; but it hands on one message per wake-up and acknowledges before anything is stored. So
`_BulkClient` takes over the reading: it cuts whole frames out of what the socket holds, keeps the
PUBLISH frames and feeds all others to paho, whose state machine stays in charge of everything
else. The public face has the shape of aiomqtt 3: `chunks()` and `acknowledge()`.

MQTT 3.1.1 over TCP or TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import aiomqtt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

#: What the link holds before it stops reading the socket; the broker and TCP hold the rest.
INBOX_MESSAGES_MAX = 10_000
INBOX_BYTES_MAX = 16 * 1024 * 1024
#: One read of the socket. Larger reads cost memory and delay the first message of each.
READ_BYTES = 256 * 1024
#: A broker that fell silent is noticed after one to two of these. It costs a packet of two bytes
#: on an idle line.
KEEPALIVE_S = 10
CONNECT_TIMEOUT_S = 10
#: Of a longer frame only so much is kept: far above any payload the contract allows, far below
#: what MQTT does (256 MiB).
FRAME_BYTES_MAX = 4 * 1024 * 1024

_PUBLISH = 0x30
_PUBACK = 0x40


#: A PUBLISH as it came: topic, payload, packet id. The id is 0 for QoS 0, which needs no
#: acknowledgement. A plain tuple, because one is made for every message.
Message = tuple[bytes, bytes, int]


class Beginning(bytes):
    """The first bytes of a payload too long to be held; `size` is the length of all of it."""

    size: int


@dataclass(slots=True)
class Chunk:
    """Messages read from the socket together. `received_at` is `time.perf_counter()` seconds."""

    received_at: float
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is and who we are there.

    `authority` is the certificate, as PEM, of who signs for the broker; empty for those whom the
    system trusts.
    """

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    authority: str = ""

    @classmethod
    def parse(cls, url: str, *, authority: str = "") -> BrokerAddress:
        """Read `mqtt://[user[:password]@]host[:port]`, or `mqtts://` for TLS. ValueError if not."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"{url!r} is not mqtt://host[:port] or mqtts://host[:port]")
        tls = parts.scheme == "mqtts"
        if authority:
            try:
                ssl.create_default_context(cadata=authority)
            except ssl.SSLError as error:
                raise ValueError(f"the authority's certificate cannot be read ({error})") from None
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            authority=authority,
        )

    def client_options(self) -> dict[str, Any]:
        """Return what aiomqtt's client wants to know of the address."""
        return {
            "hostname": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "tls_context": self._tls_context() if self.tls else None,
        }

    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority or None)
        context.sslsocket_class = _ClosingSocket
        return context


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself when the other side is not to be trusted; paho would forget to."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 as it is in ssl
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class FrameError(Exception):
    """The byte stream is not MQTT."""


class FrameReader:
    """Cut MQTT 3.1.1 frames out of a byte stream; keep PUBLISH, pass the others on.

    `feed` may be called with any fragment: a frame is handled once its last byte is there. Of a
    payload beyond FRAME_BYTES_MAX the reader keeps a `Beginning` and lets the rest pass.
    """

    def __init__(self) -> None:
        self._rest = b""
        #: A message whose payload passes by, and how many bytes of it are still to come.
        self._passing: Message | None = None
        self._passing_bytes = 0

    def feed(self, data: bytes, messages: list[Message], others: list[bytes]) -> int:
        """Append the frames that `data` completes. Returns the bytes of their payloads.

        Raises FrameError for a stream that cannot be MQTT.
        """
        if self._rest:
            data = self._rest + data
        position = self._let_pass(data, 0, messages) if self._passing else 0
        payload_bytes = beyond = 0
        end = len(data)
        append = messages.append
        while end - position >= 2:
            header = data[position]
            length = data[position + 1]
            body = position + 2
            if length & 0x80:  # a remaining length of more than one byte
                length &= 0x7F
                shift = 7
                while body < end:
                    byte = data[body]
                    body += 1
                    length |= (byte & 0x7F) << shift
                    if not byte & 0x80:
                        break
                    shift += 7
                    if shift > 21:
                        raise FrameError("a frame's length runs over four bytes")
                else:
                    break  # the length itself is cut off
                if length > FRAME_BYTES_MAX:
                    if header & 0xF0 != _PUBLISH:
                        raise FrameError(f"an answer of {length} bytes")
                    beyond = length - FRAME_BYTES_MAX
                    length = FRAME_BYTES_MAX
            next_frame = body + length
            if next_frame > end:
                break
            if header & 0xF0 == _PUBLISH:
                topic_start = body + 2
                if topic_start > next_frame:
                    raise FrameError("a message without a topic")
                topic_end = topic_start + (data[body] << 8 | data[body + 1])
                if topic_end > next_frame:
                    raise FrameError("a topic longer than its frame")
                if header & 0x06:
                    if header & 0x04:
                        raise FrameError("a message of QoS 2, where QoS 1 was asked for")
                    if topic_end + 2 > next_frame:
                        raise FrameError("a message without its number")
                    packet_id = data[topic_end] << 8 | data[topic_end + 1]
                    payload = data[topic_end + 2 : next_frame]
                else:
                    packet_id = 0
                    payload = data[topic_end:next_frame]
                append((data[topic_start:topic_end], payload, packet_id))
                payload_bytes += len(payload)
            else:
                others.append(data[position:next_frame])
            position = next_frame
            if beyond:
                topic, payload, packet_id = messages.pop()
                beginning = Beginning(payload)
                beginning.size = len(payload) + beyond
                self._passing, self._passing_bytes = (topic, beginning, packet_id), beyond
                position = self._let_pass(data, position, messages)
                beyond = 0
        self._rest = data[position:]
        return payload_bytes

    def _let_pass(self, data: bytes, position: int, messages: list[Message]) -> int:
        """Skip what belongs to the long message, which is complete after that. Returns where."""
        skipped = min(self._passing_bytes, len(data) - position)
        self._passing_bytes -= skipped
        if self._passing is not None and not self._passing_bytes:
            messages.append(self._passing)
            self._passing = None
        return position + skipped


class _BulkClient(aiomqtt.Client):
    """An aiomqtt client whose PUBLISH frames are read in bulk and acknowledged by hand."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._reader = FrameReader()
        self._inbox: list[Chunk] = []
        self._inbox_messages = 0
        self._inbox_bytes = 0
        self._arrived = asyncio.Event()
        self._paused = False
        self._for_paho = bytearray()
        self._at_end = False
        #: Whether the broker had kept a session for this client id.
        self.has_session = False
        # paho reads what we leave it instead of the socket.
        self._client._sock_recv = self._read_for_paho  # type: ignore[assignment,method-assign]

    def _read_for_paho(self, size: int) -> bytes:
        if not self._for_paho:
            if self._at_end:
                return b""
            raise BlockingIOError
        data = bytes(self._for_paho[:size])
        del self._for_paho[:size]
        return data

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: Any,
        properties: Any = None,
    ) -> None:
        self.has_session = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        # Called in the thread that connects: the loop's own calls go through call_soon_threadsafe.
        def start() -> None:
            self._loop.add_reader(sock.fileno(), self._on_readable, sock)
            self._misc_task = self._loop.create_task(self._misc_loop())

        self._loop.call_soon_threadsafe(start)

    def _on_readable(self, sock: Any) -> None:
        try:
            data = sock.recv(READ_BYTES)
            # TLS may hold more decrypted bytes than select() knows of.
            while data and isinstance(sock, ssl.SSLSocket) and (more := sock.pending()):
                data += sock.recv(more)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        if not data:
            self._at_end = True
            self._run_paho()
            if not self._connected.done():
                self._fail(aiomqtt.MqttError("the broker closed the connection unanswered"))
            return
        self._client._last_bytes_received = time.monotonic()
        chunk = Chunk(time.perf_counter())
        others: list[bytes] = []
        try:
            self._inbox_bytes += self._reader.feed(data, chunk.messages, others)
        except FrameError as error:
            self._keep(chunk)
            self._fail(aiomqtt.MqttError(str(error)))
            return
        if chunk.messages:
            self._keep(chunk)
            if self._inbox_messages >= INBOX_MESSAGES_MAX or self._inbox_bytes >= INBOX_BYTES_MAX:
                self._paused = True
                self._loop.remove_reader(sock.fileno())
        if others:
            for frame in others:
                self._for_paho += frame
            self._run_paho()

    def _keep(self, chunk: Chunk) -> None:
        """Put what was read into the inbox."""
        self._inbox.append(chunk)
        self._inbox_messages += len(chunk.messages)
        self._arrived.set()

    def _run_paho(self) -> None:
        """Let paho work through the frames left to it (or notice the end of the stream)."""
        try:
            while self._client.socket() is not None and (self._for_paho or self._at_end):
                self._client.loop_read()
        except Exception as error:  # noqa: BLE001 whatever paho stumbles over ends the connection
            self._fail(aiomqtt.MqttError(f"the broker's answer makes no sense ({error!r})"))

    async def _misc_loop(self) -> None:
        while True:
            if self._paused:
                # The broker's answer to our ping waits unread because we stopped reading; that
                # is our doing and no reason to give the connection up.
                self._client._ping_t = 0
                self._client._last_bytes_received = time.monotonic()
            if self._client.loop_misc() != 0:
                return
            await asyncio.sleep(1)

    async def take(self) -> list[Chunk]:
        """Return all that arrived, at least one chunk. MqttError once the connection is lost."""
        while not self._inbox:
            if self._disconnected.done():
                cause = self._disconnected.exception()
                raise aiomqtt.MqttError(str(cause or "Disconnected")) from cause
            self._arrived.clear()
            arrived = asyncio.ensure_future(self._arrived.wait())
            try:
                await asyncio.wait(
                    (arrived, self._disconnected), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                arrived.cancel()
        chunks, self._inbox = self._inbox, []
        self._inbox_messages = self._inbox_bytes = 0
        sock = self._client.socket()
        if self._paused and sock is not None:
            self._paused = False
            self._loop.add_reader(sock.fileno(), self._on_readable, sock)
        return chunks

    async def subscribe_all(self, subscriptions: Iterable[str]) -> None:
        """Subscribe at QoS 1; a refusal, or another QoS, ends the connection."""
        names = list(subscriptions)
        try:
            granted = await self.subscribe([(name, 1) for name in names], timeout=math.inf)
        except aiomqtt.MqttError as error:
            self._fail(error)
            return
        codes: list[Any] = list(granted)
        for name, code in zip(names, codes, strict=True):
            if getattr(code, "value", code) != 1:
                # At QoS 0 it would forget what the worker could not store.
                self._fail(
                    aiomqtt.MqttError(f"the broker refuses the subscription to {name} at QoS 1")
                )

    async def publish_acknowledged(
        self, topic: str, payload: bytes, *, retain: bool, timeout_s: float
    ) -> None:
        """Publish at QoS 1 and wait for the broker's PUBACK. MqttError when it does not come."""
        sending = asyncio.ensure_future(
            self.publish(topic, payload, qos=1, retain=retain, timeout=timeout_s)
        )
        try:
            # aiomqtt would wait on for an acknowledgement that went with the connection.
            await asyncio.wait((sending, self._disconnected), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
        await asyncio.wait((sending,))
        if sending.cancelled():
            raise aiomqtt.MqttError("Disconnected")
        sending.result()

    def _fail(self, error: aiomqtt.MqttError) -> None:
        """End the connection with an error that `take` raises, or the connecting does."""
        waiting = self._disconnected if self._connected.done() else self._connected
        if not waiting.done():
            waiting.set_exception(error)
        self._client._sock_close()

    def send_acknowledgements(self, packet_ids: Iterable[int]) -> None:
        """Queue one PUBACK each, all in one write."""
        frames = b"".join(b"\x40\x02" + packet_id.to_bytes(2) for packet_id in packet_ids)
        if frames and self._client.socket() is not None:
            self._client._packet_queue(_PUBACK, frames, 0, 0)

    @property
    def held(self) -> int:
        """How many messages wait in the inbox."""
        return self._inbox_messages


class Link:
    """One connection to the broker, with a session that outlives it.

    A message that is not acknowledged comes again with the next connection of the same client id.
    """

    def __init__(self, client: _BulkClient) -> None:
        self._client = client
        self._order = InOrder()
        self.is_open = True

    @property
    def has_session(self) -> bool:
        """Whether the broker had a session for us: without one it kept nothing of what came."""
        return self._client.has_session

    @property
    def held(self) -> int:
        """How many received messages wait to be taken."""
        return self._client.held

    async def chunks(self) -> AsyncIterator[list[Chunk]]:
        """Yield what arrived since the last time. Ends with MqttError when the connection does."""
        while True:
            chunks = await self._client.take()
            for chunk in chunks:
                self._order.received(chunk.messages)
            yield chunks

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Acknowledge QoS 1 messages of this connection, as soon as all earlier ones are, too.

        Nothing happens once it is closed: the numbers mean nothing to the next connection, and
        the broker sends the messages again.
        """
        if self.is_open:
            self._client.send_acknowledgements(self._order.release(packet_ids))

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float
    ) -> None:
        """Publish at QoS 1; returns once the broker has acknowledged it.

        MqttError when the connection is lost or the time passes before that; the broker may have
        the message all the same.
        """
        await self._client.publish_acknowledged(topic, payload, retain=retain, timeout_s=timeout_s)


class InOrder:
    """Holds acknowledgements back until they go out in the order of the messages' arrival.

    MQTT asks for that order (4.6.0-2), and rumqttd ends a connection that does not keep it; but
    live states are stored at another time than ledger entries.
    """

    def __init__(self) -> None:
        self._expected: deque[int] = deque()
        #: Counted, for a broker may send a message again before it is acknowledged.
        self._done: Counter[int] = Counter()

    def received(self, messages: list[Message]) -> None:
        """Note the order of what is to be acknowledged."""
        self._expected.extend([packet_id for _, _, packet_id in messages if packet_id])

    def release(self, packet_ids: Iterable[int]) -> list[int]:
        """Return, in order, what may be acknowledged now that these are stored."""
        self._done.update(packet_ids)
        released = []
        while self._expected and self._done[self._expected[0]]:
            packet_id = self._expected.popleft()
            self._done[packet_id] -= 1
            released.append(packet_id)
        return released


@contextlib.asynccontextmanager
async def opened(client: aiomqtt.Client) -> AsyncIterator[None]:
    """Connect a client while the context is open. MqttError if that fails.

    aiomqtt that is cancelled while it connects leaves its socket and a task behind, which fail
    once the loop is closed. So the connecting is let come to its end, which its timeouts bound,
    and is then undone.
    """
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        try:
            await asyncio.shield(entering)
            yield
        finally:
            await asyncio.wait((entering,))
            if entering.exception() is None:
                await client.__aexit__(None, None, None)
    finally:
        await _hang_up(client)


async def _hang_up(client: aiomqtt.Client) -> None:
    """Close what aiomqtt leaves open when a connection failed or was never answered."""
    client._client._sock_close()
    if client._misc_task is not None:
        client._misc_task.cancel()
        await asyncio.wait((client._misc_task,))
    for state in (client._connected, client._disconnected):
        if state.done() and not state.cancelled():
            state.exception()  # nobody else may have asked for it


@contextlib.asynccontextmanager
async def connected(
    address: BrokerAddress, *, client_id: str, subscriptions: Iterable[str]
) -> AsyncIterator[Link]:
    """Connect with a persistent session and subscribe at QoS 1. MqttError if that fails.

    A refused subscription ends the connection: `Link.chunks` raises it.
    """
    client = _BulkClient(
        **address.client_options(),
        identifier=client_id,
        clean_session=False,
        keepalive=KEEPALIVE_S,
        timeout=CONNECT_TIMEOUT_S,
    )
    async with opened(client):
        link = Link(client)
        # Beside the receiving and not before it: a session that slept sends all it kept first,
        # and the broker's answer stands behind that in the stream.
        subscribing = asyncio.create_task(client.subscribe_all(subscriptions))
        try:
            yield link
        finally:
            link.is_open = False
            subscribing.cancel()
