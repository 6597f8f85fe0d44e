"""A connection to the broker for those who publish: it comes back by itself and loses nothing.

What is published at QoS 1 is acknowledged by the broker before `publish` returns, however often
the connection is lost in between; a message may arrive twice, which the contract allows for. Live
lanes (QoS 0) are sent while there is a connection and forgotten otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import aiomqtt

from ingest.cancellation import heed_cancellation
from ingest.mqtt import opened

if TYPE_CHECKING:
    from ingest.mqtt import BrokerAddress
    from ingest.publication import Publication

logger = logging.getLogger(__name__)

#: Messages on their way to the broker that it has not acknowledged; further ones wait their turn.
IN_FLIGHT_MAX = 100
#: A broker that takes longer is asked again: either the message or its answer was lost.
ACKNOWLEDGEMENT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
#: The pause before connecting again doubles from the first to the longest.
RECONNECT_SECONDS_FIRST = 0.25
RECONNECT_SECONDS_MAX = 15.0
#: Commands that wait to be handled; far more than a console ever sends at once.
RECEIVED_MESSAGES_MAX = 1_000


class Publisher:
    """Publishes, and hands on what arrives on its subscriptions.

    `run` keeps the connection up until it is cancelled. `on_connected` is a doorbell that is
    called after each connection; it and `on_message` (topic, payload) must not block. With a
    persistent session (`client_id` and subscriptions) commands sent meanwhile arrive afterwards.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str | None = None,
        will: Publication | None = None,
        subscriptions: Sequence[str] = (),
        on_connected: Callable[[], None] | None = None,
        on_message: Callable[[str, bytes], None] | None = None,
        log: Callable[[str], None] = logger.warning,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._on_connected = on_connected or (lambda: None)
        self._on_message = on_message or (lambda _topic, _payload: None)
        self._log = log
        self._is_missing = False
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._connected = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._client: aiomqtt.Client | None = None
        self._lost: asyncio.Future[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connected.is_set()

    async def wait_connected(self) -> None:
        """Return once there is a connection."""
        await self._connected.wait()

    async def run(self) -> None:
        """Keep the connection up until cancelled, with growing pauses while there is no broker."""
        pause_seconds = RECONNECT_SECONDS_FIRST
        while True:
            await self._wanted.wait()
            try:
                client = self._new_client()
                async with opened(client):
                    self._say_connected()
                    pause_seconds = RECONNECT_SECONDS_FIRST
                    await self._use(client)
            except aiomqtt.MqttError as error:
                heed_cancellation()
                self._say_lost(error)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, RECONNECT_SECONDS_MAX)

    async def publish(self, publication: Publication) -> None:
        """Publish at QoS 1; returns once the broker has acknowledged it.

        Waits for its turn while IN_FLIGHT_MAX others are on their way, and for a connection.
        Messages go out in the order of the calls, but for those that a lost connection repeats.
        """
        async with self._in_flight:
            while True:
                await self._connected.wait()
                client, lost = self._client, self._lost
                if client is None or lost is None:
                    continue
                if await self._is_acknowledged(publication, client, lost):
                    return
                # Usually the connection is gone; if not, it gets a moment before the next try.
                await asyncio.wait((lost,), timeout=RECONNECT_SECONDS_FIRST)

    async def publish_live(self, publication: Publication) -> None:
        """Publish at QoS 0 if there is a connection; the next message makes up for a lost one."""
        client = self._client
        if client is not None and self.is_connected:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.publish(
                    publication.topic, publication.payload, qos=0, retain=publication.retain
                )
            heed_cancellation()

    def cut(self) -> None:
        """Lose the connection as a failing line does, and stay away until `restore`.

        The broker hears no goodbye, so it publishes the last will.
        """
        self._wanted.clear()
        # aiomqtt can only part politely; paho's socket is the one way to break off.
        paho = self._client._client if self._client is not None else None  # noqa: SLF001
        line = cast("socket.socket | None", paho.socket()) if paho is not None else None
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Connect again after `cut`."""
        self._wanted.set()

    def _say_lost(self, error: Exception) -> None:
        """Say so once for each time, and not at all when we cut the connection ourselves."""
        if self._wanted.is_set() and not self._is_missing:
            self._is_missing = True
            host, port = self._address.host, self._address.port
            self._log(f"No connection to the broker at {host}:{port} ({error}); trying on.")

    def _say_connected(self) -> None:
        if self._is_missing:
            self._is_missing = False
            self._log(f"The broker at {self._address.host}:{self._address.port} is back.")

    def _new_client(self) -> aiomqtt.Client:
        will = self._will
        client = aiomqtt.Client(
            **self._address.client_options(),
            identifier=self._client_id,
            clean_session=self._client_id is None,
            will=will and aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=CONNECT_SECONDS,
            max_inflight_messages=IN_FLIGHT_MAX,
            max_queued_incoming_messages=RECEIVED_MESSAGES_MAX,
        )
        # Beyond ten aiomqtt warns of pending calls; ours are bounded already.
        client.pending_calls_threshold = IN_FLIGHT_MAX
        return client

    async def _use(self, client: aiomqtt.Client) -> None:
        """Serve one connection until it is lost."""
        if self._subscriptions:
            await client.subscribe([(topic, 1) for topic in self._subscriptions])
        heed_cancellation()
        self._client = client
        self._lost = lost = asyncio.get_running_loop().create_future()
        self._connected.set()
        self._on_connected()
        try:
            async for message in client.messages:
                if isinstance(message.payload, bytes):
                    self._on_message(str(message.topic), message.payload)
        finally:
            self._connected.clear()
            self._client = None
            lost.set_result(None)

    async def _is_acknowledged(
        self, publication: Publication, client: aiomqtt.Client, lost: asyncio.Future[None]
    ) -> bool:
        sending = asyncio.ensure_future(
            client.publish(
                publication.topic,
                publication.payload,
                qos=1,
                retain=publication.retain,
                timeout=ACKNOWLEDGEMENT_SECONDS,
            )
        )
        try:
            await asyncio.wait((sending, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # With the connection goes the acknowledgement that aiomqtt would still wait for.
            sending.cancel()
        await asyncio.wait((sending,))
        if sending.cancelled() or isinstance(sending.exception(), aiomqtt.MqttError):
            return False
        sending.result()  # any other error is a fault of ours and must show
        return True
