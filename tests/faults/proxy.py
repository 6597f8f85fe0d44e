"""A network line between a worker and a server that tests can cut, or let fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

READ_BYTES = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """A client's connection through the proxy, and the one to the server behind it."""

    def __init__(self, client: Streams) -> None:
        self.client = client
        self.server: Streams | None = None
        self.flows = asyncio.Event()
        self.flows.set()

    async def carry(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        await self.flows.wait()
        self.server = await connect()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(self.client[0], self.server[1]))
            tasks.create_task(self._pump(self.server[0], self.client[1]))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(READ_BYTES):
            await self.flows.wait()
            sink.write(data)
            await sink.drain()
        await self.flows.wait()
        sink.write_eof()

    def close(self) -> None:
        for _, writer in filter(None, (self.client, self.server)):
            writer.transport.abort()

    def reset(self) -> None:
        """End it for both sides at once and without a goodbye."""
        for _, writer in filter(None, (self.client, self.server)):
            line: socket.socket | None = writer.get_extra_info("socket")
            if line is not None and line.family == socket.AF_INET:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close()


class Proxy:
    """Forwards connections to a server, as long as the line is whole."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        #: Connections that fell silent and stay so: neither side ever hears of the other again.
        self._lost: list[_Connection] = []
        self._is_silent = False
        self.port = 0

    async def open(self) -> None:
        """Accept connections, on the same port each time."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection((reader, writer))
        if self._is_silent:
            connection.flows.clear()
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            # A side that is gone ends the connection; the other one is told.
            with contextlib.suppress(asyncio.CancelledError):
                try:
                    await connection.carry(self._connect)
                except* OSError:
                    pass
        finally:
            self._connections.pop(connection, None)
            if connection not in self._lost:
                connection.close()

    def cut(self) -> None:
        """Reset every connection and refuse new ones until `open`."""
        assert self._server is not None
        self._server.close()
        self.reset()

    def reset(self) -> None:
        """Reset every connection; new ones are welcome."""
        for connection, task in list(self._connections.items()):
            connection.reset()
            task.cancel()

    def fall_silent(self) -> None:
        """Accept everything and forward nothing: what is sent is taken, and never arrives."""
        self._is_silent = True
        for connection in self._connections:
            connection.flows.clear()

    def carry_again(self, *, server_notices: bool = True) -> None:
        """Carry new connections; those of before the silence stay half-open for their client.

        The server's side of them is closed, as its operating system does that finds its peer
        gone; or, unless `server_notices`, it is left in the dark for ever, too.
        """
        self._is_silent = False
        for connection, task in list(self._connections.items()):
            self._lost.append(connection)
            task.cancel()
            if server_notices and connection.server is not None:
                connection.server[1].transport.abort()

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections.values())
        self.reset()
        for connection in self._lost:
            connection.close()
        if tasks:
            await asyncio.wait(tasks)


@contextlib.asynccontextmanager
async def proxy_to_port(port: int) -> AsyncIterator[Proxy]:
    """A line to a server on this machine."""
    async with _opened(Proxy(lambda: asyncio.open_connection("127.0.0.1", port))) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def proxy_to_socket(path: str) -> AsyncIterator[Proxy]:
    """A line to a server that listens on a Unix socket."""
    async with _opened(Proxy(lambda: asyncio.open_unix_connection(path))) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def _opened(proxy: Proxy) -> AsyncIterator[Proxy]:
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
