"""One viewer's stream of Server-Sent Events."""

from __future__ import annotations

import asyncio
import io
import logging
import random
import time
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import InterfaceError, OperationalError
from django.http import Http404

from console.live import sse
from console.live.admission import Admission
from console.live.hub import Viewer, ViewerClosed
from console.live.service import LiveService, LiveUnavailable, TooManyStreams
from console.live.topics import Topic

logger = logging.getLogger(__name__)

#: After this long without an update a beat tells the page, and proxies between, that it is live.
HEARTBEAT_S = 15.0
#: It is asked again after at most this long whether the viewer may still watch, and for each at
#: another time: a thousand who came at once must not all be asked in one moment.
RECHECK_S = 30.0
RECHECK_SHARE_MIN = 0.5
#: A viewer who takes nothing for this long is given up.
SEND_TIMEOUT_S = 30.0
#: A browser that lost the stream comes back after a time between these, so that not all of them
#: come at once when a server starts again.
RETRY_MIN_MS, RETRY_MAX_MS = 1_000, 3_000
RETRY_AFTER_S = 5

HEADERS = [
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"Cache-Control", b"no-cache"),
    # Neither a proxy nor a middleware may hold events back to fill a buffer or to compress them.
    (b"X-Accel-Buffering", b"no"),
    (b"Content-Encoding", b"identity"),
    (b"X-Content-Type-Options", b"nosniff"),
]


class LiveStream(AsyncHttpConsumer):
    """The stream of a site's page (`code` in the address), of a day's or of the network page.

    On connect: `retry`, a `beat`, and each fragment as it is. Then each fragment that changes,
    as an event of its name; a `beat` (the server's clock, in milliseconds) when nothing did; and
    `end` when the person may no longer watch.
    """

    #: What channels adds to it (`url_route`) is not in its own stubs.
    scope: Any

    def __init__(self, *, service: LiveService, recheck_s: float = RECHECK_S) -> None:
        super().__init__()
        self._service = service
        self._recheck_s = recheck_s
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __call__(
        self,
        scope: Any,
        receive: Any,
        send: Any,
    ) -> None:
        """Serve one request; the stream ends with it, whichever way it ends."""
        async with asyncio.TaskGroup() as self._tasks:
            await super().__call__(scope, receive, send)

    async def http_request(self, message: Any) -> None:
        """Begin the stream beside the consumer, which so still hears of a disconnect."""
        if not message.get("more_body"):
            self._task = self._tasks.create_task(self._respond())

    async def http_disconnect(self, message: Any) -> None:
        """End the stream, if the viewer left before it did."""
        self._gone.set()
        if self._task is not None:
            self._task.cancel()
        raise StopConsumer

    async def _respond(self) -> None:
        if self.scope["method"] != "GET":
            await self._refuse(405, [(b"Allow", b"GET")])
            return
        try:
            async with self._service.place():
                admission = await self._admitted()
                with self._service.place_of(admission.person_id):
                    if not await self._stream(admission.topic):
                        # What the server has buffered for them stays until the connection breaks,
                        # so that their place does, too: there is a limit to how many do this.
                        await self._gone.wait()
        except TooManyStreams:
            await self._refuse(429, [(b"Retry-After", b"%d" % RETRY_AFTER_S)])
        except PermissionDenied:
            await self._refuse(403)
        except Http404:
            await self._refuse(404)
        except (LiveUnavailable, InterfaceError, OperationalError):
            await self._refuse(503, [(b"Retry-After", b"%d" % RETRY_AFTER_S)])

    async def _admitted(self) -> Admission:
        request = ASGIRequest(self.scope, io.BytesIO())
        address = self.scope["url_route"]["kwargs"]
        return await self._service.admit(request, address.get("code"), address.get("fiscal_day"))

    async def _stream(self, topic: Topic) -> bool:
        """Send until the viewer may not watch any more, takes nothing, or the hub closes.

        Returns whether the response was ended, which needs somebody who takes it.
        """
        last_words = b""
        try:
            with self._service.watching(topic) as viewer:
                await self.send_headers(headers=HEADERS)
                await self._send(_greeting())
                await self._send_updates(topic, viewer)
        except (PermissionDenied, Http404):
            last_words = sse.event("end", "access")
        except TimeoutError:
            # Even the end would not be taken. The connection ends when its transport notices.
            logger.info("A viewer of %s took nothing for %s s", topic, SEND_TIMEOUT_S)
            return False
        except (ViewerClosed, InterfaceError, OperationalError):
            pass
        await self.send_body(last_words)
        return True

    async def _send_updates(self, topic: Topic, viewer: Viewer) -> None:
        """Send what changes, or a beat. Returns when another stream is the right one.

        PermissionDenied or Http404 when the person may not watch any more, ViewerClosed when the
        hub closes, TimeoutError when the viewer takes nothing.
        """
        clock = asyncio.get_running_loop().time
        recheck_at = clock() + self._recheck_in_s()
        while True:
            timeout_s = max(0, min(HEARTBEAT_S, recheck_at - clock()))
            await self._send(await viewer.take(timeout_s=timeout_s) or _beat())
            if clock() >= recheck_at:
                # Who now sees other sites gets the right stream by connecting again.
                if (await self._admitted()).topic != topic:
                    return
                recheck_at = clock() + self._recheck_in_s()

    def _recheck_in_s(self) -> float:
        return self._recheck_s * random.uniform(RECHECK_SHARE_MIN, 1)  # noqa: S311

    async def _send(self, data: bytes) -> None:
        """Send, TimeoutError when the viewer does not take it."""
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self.send_body(data, more_body=True)

    async def _refuse(self, status: int, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        await self.send_response(status, b"", headers=[*(headers or ()), (b"Content-Length", b"0")])


def _greeting() -> bytes:
    return sse.retry(random.randint(RETRY_MIN_MS, RETRY_MAX_MS)) + _beat()  # noqa: S311


def _beat() -> bytes:
    return sse.event("beat", str(time.time_ns() // 1_000_000))
