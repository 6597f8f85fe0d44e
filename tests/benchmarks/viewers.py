"""A crowd that watches live pages over plain sockets, in a process of its own.

    python -m tests.benchmarks.viewers < crowd.json

The crowd is one line of JSON: the server's port and, for each viewer, the stream's path, the
session's key and how the viewer behaves (`reads`, `stalls`: never reads, `vanishes`: breaks the
connection off when told so). Prints `ready` once all have been let in, takes `vanish` and `stop`
as lines, and ends with one line of JSON: for each update the times (Unix) at which it arrived.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import time
from collections import defaultdict
from typing import Any

import uvloop

#: How the pages show the number of an update, which the writer hides in litres: of a running
#: sale on a site's page, of a site's day on the network page.
UPDATE = re.compile(rb"data-figure>7,(?:(\d{3})\.00|000,(\d{3}))<")
#: Longer than what UPDATE matches: what two packets may have cut in two.
TAIL_BYTES = 40
STALLED_BUFFER_BYTES = 4096
CONNECTING_MAX = 40

Arrivals = dict[int, list[float]]


class Viewer(asyncio.Protocol):
    """One stream that is read as it comes."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._tail = b""
        self._newest = -1
        self.is_in: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.is_over = False

    def data_received(self, data: bytes) -> None:
        """Note the first sight of each update."""
        now = time.time()
        if not self.is_in.done():
            self.is_in.set_result(data[:12])
        text = self._tail + data
        for match in UPDATE.finditer(text):
            number = int(match[1] or match[2])
            if number > self._newest:
                self._newest = number
                self._arrivals[number].append(now)
        self._tail = text[-TAIL_BYTES:]

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the stream is over."""
        self.is_over = True
        if not self.is_in.done():
            self.is_in.set_exception(error or ConnectionError("closed before the answer"))


async def open_stream(port: int, stream: dict[str, str], arrivals: Arrivals) -> Any:
    """Open one stream; return what breaks it off (a transport or a socket), and its viewer."""
    request = (
        f"GET {stream['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Cookie: sessionid={stream['session']}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    if stream["behaviour"] == "stalls":
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER_BYTES)
        stalled.setblocking(False)
        await loop.sock_connect(stalled, ("127.0.0.1", port))
        await loop.sock_sendall(stalled, request)
        return stalled, None
    transport, viewer = await loop.create_connection(lambda: Viewer(arrivals), "127.0.0.1", port)
    transport.write(request)
    status = await viewer.is_in
    if status != b"HTTP/1.1 200":
        raise RuntimeError(f"{stream['path']} answered {status!r}")
    return transport, viewer


async def watch(crowd: dict[str, Any]) -> None:
    """Watch until told to stop."""
    arrivals: Arrivals = defaultdict(list)
    places = asyncio.Semaphore(CONNECTING_MAX)

    async def enter(stream: dict[str, str]) -> Any:
        async with places:
            return await open_stream(crowd["port"], stream, arrivals)

    opened = await asyncio.gather(*map(enter, crowd["streams"]))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while (word := await loop.run_in_executor(None, sys.stdin.readline)).strip() != "stop":
        assert word.strip() == "vanish", f"not understood: {word!r}"
        for stream, (transport, _) in zip(crowd["streams"], opened, strict=True):
            if stream["behaviour"] == "vanishes":
                transport.abort()
    over = sum(
        viewer.is_over
        for stream, (_, viewer) in zip(crowd["streams"], opened, strict=True)
        if stream["behaviour"] == "reads"
    )
    print(json.dumps({"arrivals": arrivals, "over": over}), flush=True)


if __name__ == "__main__":
    uvloop.run(watch(json.loads(sys.stdin.readline())))
