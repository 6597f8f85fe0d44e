"""The ASGI server of `manage.py run`, on a socket that the supervisor has opened.

    python -m console.embedded.web FILE_DESCRIPTOR

The supervisor binds the port before anything starts: a taken port stops it at once, and a browser
that comes early waits in the socket's queue instead of being refused.
"""

from __future__ import annotations

import os
import socket
import sys

#: Streams never end by themselves: how long they may delay a stop.
GRACEFUL_SHUTDOWN_SECONDS = 1
#: A connection whose other end takes nothing for this long is broken off by the kernel.
STALLED_MAX_MS = 60_000


def break_off_stalled(listening: socket.socket, *, after_ms: int = STALLED_MAX_MS) -> None:
    """Have the kernel end connections whose other end is gone, or there and never reads.

    An ASGI application can only ask for a connection to be closed once all is sent, which in
    this case never comes. Accepted sockets inherit the option. Does nothing outside Linux, where
    such connections stay until the other end breaks them off.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, after_ms)


def serve(descriptor: int) -> None:
    """Serve the console until SIGTERM."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    import uvicorn

    config = uvicorn.Config(
        "console.asgi:application",
        access_log=False,
        log_config=None,  # the settings' own
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
    listening = socket.socket(fileno=descriptor)
    break_off_stalled(listening)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    serve(int(sys.argv[1]))
