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
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    serve(int(sys.argv[1]))
