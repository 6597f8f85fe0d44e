"""Bounds on what clients keep open: requests that they do not send, answers they do not take.

They stand around Django's pages. Streams have bounds of their own (`console.live.stream`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from console.refused import refused_answer

logger = logging.getLogger(__name__)

#: No form of the console is as large: the set-up of a large forecourt has some 100 kB.
BODY_BYTES_MAX = 4 * 1024 * 1024
#: A request's body has come after this long, or never comes.
BODY_TIMEOUT_S = 60.0
#: A client that takes nothing of an answer for this long is given up.
SEND_TIMEOUT_S = 30.0

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class ClientCounts:
    """Counts of what clients were refused for since the process began."""

    bodies_too_large: int = 0
    bodies_too_late: int = 0
    answers_not_taken: int = 0


#: Those of this process.
COUNTS = ClientCounts()


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BoundedClients:
    """An ASGI application around another, which gives up clients that keep it waiting."""

    def __init__(
        self,
        application: Application,
        *,
        counts: ClientCounts = COUNTS,
        send_timeout_s: float = SEND_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._application = application
        self._counts = counts
        self._send_timeout_s = send_timeout_s
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request."""
        clock = asyncio.get_running_loop().time
        body_until = clock() + self._body_timeout_s
        is_whole = False
        size = 0

        async def bounded_receive() -> Any:
            nonlocal is_whole, size
            if is_whole:
                # What comes now is only that the client left.
                return await receive()
            try:
                async with asyncio.timeout(body_until - clock()):
                    message = await receive()
            except TimeoutError:
                self._counts.bodies_too_late += 1
                raise _Refused(408) from None
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                self._counts.bodies_too_large += 1
                raise _Refused(413)
            is_whole = not message.get("more_body", False)
            return message

        async def bounded_send(message: Any) -> None:
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await send(message)
            except TimeoutError:
                self._counts.answers_not_taken += 1
                logger.info("A client took nothing of %s for a while", scope["path"])
                # What Django takes for a client that left: it closes the answer and all that is
                # behind it. The server then closes the connection.
                raise asyncio.CancelledError from None

        if _announced_bytes(scope) > BODY_BYTES_MAX:
            self._counts.bodies_too_large += 1
            await _refuse(scope, bounded_send, 413)
            return
        try:
            await self._application(scope, bounded_receive, bounded_send)
        except _Refused as refused:
            await _refuse(scope, bounded_send, refused.status)


def _announced_bytes(scope: Any) -> int:
    """Return how long the client says that the body is; 0 where it says nothing."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _refuse(scope: Any, send: Send, status: int) -> None:
    """Answer why, and read no more of the connection."""
    limits = {"mib_max": BODY_BYTES_MAX // 2**20, "seconds_max": int(BODY_TIMEOUT_S)}
    answer: Any = await asyncio.to_thread(refused_answer, scope, status, **limits)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.items()]
    headers += [
        (b"Content-Length", b"%d" % len(answer.content)),
        (b"Connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
