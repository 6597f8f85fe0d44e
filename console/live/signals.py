"""Learning early that the process is asked to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def on_stop_signal(callback: Callable[[], None]) -> None:
    """Call back in the running event loop on SIGINT or SIGTERM, before the server acts on it.

    A graceful server first waits for open responses and only then tells the application that it
    stops; a stream would keep it waiting for ever. The server's own handler still runs. Does
    nothing outside the main thread, where there are no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _Chained(loop, callback, signal.getsignal(number)))


class _Chained:
    """A signal handler that calls back in the event loop, and then the handler before it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None], before: object
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._callback)
        if callable(self._before):
            self._before(number, frame)
