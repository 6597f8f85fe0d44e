"""A file that one thread writes at its own pace, and that a reader may take as slowly as they like.

The writer never waits for the reader, so what it holds (a connection, a snapshot) is given back as
soon as all is written. The file has no name: it is gone with the last who holds it, or the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

#: What is written and read at a time.
PIECE_BYTES = 256 * 1024


class SpoolTooLarge(Exception):
    """More was written than the spool may hold."""


class SpoolNoRoom(Exception):
    """The disk would have less room left than is kept for others."""


class SpoolTooLong(Exception):
    """Writing or reading took longer than it may."""


class SpoolCancelled(Exception):
    """Nobody waits for it any more."""


class Spool:
    """The file, its writer's side and how it ended. Made where the reader waits, in an event loop.

    Invariant: the file is open until both sides are through with it. It never takes the disk's
    last `bytes_left_min` bytes: SpoolNoRoom, also when there is no room to begin with.
    """

    def __init__(
        self, folder: Path, *, bytes_max: int, writing_max_s: float, bytes_left_min: int = 0
    ) -> None:
        self._folder = folder
        self._bytes_left_min = bytes_left_min
        self._look_for_room(0)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._bytes_max = bytes_max
        self._writing_until = time.monotonic() + writing_max_s
        self._loop = asyncio.get_running_loop()
        # Its reader may be found to be held by nobody while this very thread has the lock.
        self._lock = threading.RLock()
        self._sides = 2
        self._waiting = bytearray()
        self._on_cancel: Callable[[], None] | None = None
        self._is_cancelled = False
        #: Set when there is more to read, and when there will be no more.
        self._grown = asyncio.Event()
        self._done = asyncio.Event()
        self.size = 0
        self.is_ended = False
        self.error: Exception | None = None

    # --- The writer's side, in a thread of its own ----------------------------------------------

    def start(self, write: Callable[[Spool], None]) -> None:
        """Let a thread write; what it raises is the spool's `error`."""
        threading.Thread(target=self._run, args=[write], name="spool", daemon=True).start()

    def write(self, data: bytes, /) -> int:
        """Take data. Ended by SpoolTooLarge, SpoolNoRoom, SpoolTooLong and SpoolCancelled."""
        self._waiting += data
        if len(self._waiting) >= PIECE_BYTES:
            self.flush_piece()
        return len(data)

    def flush(self) -> None:
        """Do nothing: what writes asks for it far too often."""

    def flush_piece(self) -> None:
        """Let the reader have what was written."""
        if self._is_cancelled:
            raise SpoolCancelled
        if time.monotonic() > self._writing_until:
            raise SpoolTooLong
        if self.size + len(self._waiting) > self._bytes_max:
            raise SpoolTooLarge
        self._look_for_room(len(self._waiting))
        view = memoryview(bytes(self._waiting))
        self._waiting.clear()
        try:
            while view:
                written = self._file.write(view)
                self.size += written
                view = view[written:]
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise SpoolNoRoom from error
            raise
        self._tell(self._grown)

    def _look_for_room(self, bytes_more: int) -> None:
        # Looked at each time: others write to the disk, too.
        if shutil.disk_usage(self._folder).free - bytes_more < self._bytes_left_min:
            raise SpoolNoRoom

    @contextlib.contextmanager
    def cancelling(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Call `cancel` if the spool is cancelled while the context is open."""
        with self._lock:
            if self._is_cancelled:
                raise SpoolCancelled
            self._on_cancel = cancel
        try:
            yield
        finally:
            with self._lock:
                self._on_cancel = None

    def _run(self, write: Callable[[Spool], None]) -> None:
        try:
            write(self)
            self.flush_piece()
        except Exception as error:  # noqa: BLE001 - the reader's side raises it
            self.error = SpoolCancelled() if self._is_cancelled else error
        self.is_ended = True
        self._leave()
        self._tell(self._grown)
        self._tell(self._done)

    def _tell(self, event: asyncio.Event) -> None:
        # The loop is closed when the process stops, or when nobody asked for more than the end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(event.set)

    # --- The reader's side ----------------------------------------------------------------------

    async def ended(self, timeout_s: float | None = None) -> None:
        """Return when all is written or the time is over. Raises what ended the writing early."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._done.wait()
        if self.error is not None:
            raise self.error

    def read(self, position: int) -> bytes:
        """Return the next piece from a position on; empty where nothing is written yet."""
        with self._lock:
            return (
                b"" if self._file.closed else os.pread(self._file.fileno(), PIECE_BYTES, position)
            )

    async def grown(self) -> None:
        """Return when more was written since the last call, or no more will be."""
        await self._grown.wait()
        self._grown.clear()

    def release(self) -> None:
        """Leave it: the reader needs no more. What still writes is ended. Called once."""
        with self._lock:
            self._is_cancelled = not self.is_ended
            cancel = self._on_cancel if self._is_cancelled else None
        self._leave()
        if cancel is not None:
            # It asks the database over a connection of its own, which may take a while.
            threading.Thread(target=cancel, name="spool cancel", daemon=True).start()

    def _leave(self) -> None:
        """Close the file when both sides have left."""
        with self._lock:
            self._sides -= 1
            if self._sides == 0:
                self._file.close()


class SpoolReader:
    """The pieces of a spool, for as long as somebody takes them; the content of a response.

    An object rather than a generator: it can be closed at any time, from any thread, also while
    the next piece is being read, and it is closed when nobody holds it any more.
    """

    def __init__(
        self, spool: Spool, *, reading_max_s: float, on_close: Callable[[bool], None]
    ) -> None:
        self._spool = spool
        self._position = 0
        self._until = time.monotonic() + reading_max_s
        self._state = _ReaderState()
        self._finalize = weakref.finalize(self, _close_reader, spool, self._state, on_close)

    def __aiter__(self) -> SpoolReader:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece as soon as it is written. Raises what ended the writing early."""
        while True:
            # Asked before reading: what is written after that is read in the next round.
            is_ended = self._spool.is_ended
            if data := await asyncio.to_thread(self._spool.read, self._position):
                self._take(data)
                return data
            if is_ended:
                self._end()
                raise StopAsyncIteration
            await self._spool.grown()

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces of a spool that is all written."""
        try:
            while data := self._spool.read(self._position):
                self._take(data)
                yield data
            self._end()
        finally:
            self.close()

    def close(self) -> None:
        """Leave the spool. Can be called again."""
        self._finalize()

    def _take(self, data: bytes) -> None:
        if time.monotonic() > self._until:
            self._spool.error = SpoolTooLong()
            self._end()
        self._position += len(data)
        # Who knows how long it is leaves with the last byte, before being told that it is the end.
        if self._spool.is_ended and self._spool.error is None:
            self._state.is_whole = self._position == self._spool.size

    def _end(self) -> None:
        if self._spool.error is not None:
            self.close()
            raise self._spool.error
        self._state.is_whole = True


class _ReaderState:
    """What is known of a reader after it is gone."""

    is_whole = False


def _close_reader(spool: Spool, state: _ReaderState, on_close: Callable[[bool], None]) -> None:
    spool.release()
    on_close(state.is_whole)
