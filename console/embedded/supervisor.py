"""Runs the parts of the console as child processes: starts, watches, restarts and stops them.

Each part is a process in a session of its own, so that a terminal's Ctrl-C reaches the supervisor
alone, which then ends the parts one by one, the last started first. A part that ends by itself is
started again, after a pause that grows as it ends again: the others wait for it or go on without
it. One that ends ENDS_MAX times within ENDS_WINDOW_S has a fault that no restart mends, and ends
all: half a console is worse than none. What the parts say goes into a log file each; what they
warn of is shown too.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

#: The last lines of a part that are shown when it ended unexpectedly.
LAST_LINES_MAX = 20
#: A longer line of a part's output is replaced by a remark.
LINE_BYTES_MAX = 256 * 1024
#: A log file that grows beyond is moved aside; one older file is kept.
LOG_BYTES_MAX = 5_000_000
#: How long the rest of a part's output may take to arrive after the part has ended.
DRAIN_SECONDS = 1.0

#: A part that ends this often within ENDS_WINDOW_S is not started again.
ENDS_MAX = 5
ENDS_WINDOW_S = 60.0
#: The pause before a part is started again; it doubles with each end within the window.
RESTART_S_FIRST = 0.5

#: What asks a run to stop.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: A line of the project's own log format (`LOGGING` in the settings), by its level.
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d [\d:,.]+ (?P<level>[A-Z]+) ")
_QUIET_LEVELS = {"DEBUG", "INFO"}

#: Takes a part's name and what is to be shown of it.
Show = Callable[[str, str], None]


class NotReadyError(Exception):
    """Everything started, but what was started does not answer. Says so in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A part: the Python program that it is, and how it is treated.

    `arguments` are Python's: a script or `-m module`, and what follows. The part starts once the
    part named `after` is ready; it is ready when `ready` returns, or at once. It is killed when it
    takes longer than `stop_seconds` to end.
    """

    name: str
    arguments: Sequence[str]
    after: str = ""
    ready: Callable[[], Awaitable[None]] | None = None
    file_descriptors: tuple[int, ...] = ()
    stop_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A process that is no child: its end is noticed by its id (on Linux), and `restart` called.

    `restart` may block; it returns the id of the new process, or raises NotReadyError.
    """

    name: str
    process_id: int
    restart: Callable[[], int]


@dataclass(slots=True)
class _Ends:
    """The ends of a part within ENDS_WINDOW_S."""

    times: collections.deque[float] = field(
        default_factory=lambda: collections.deque(maxlen=ENDS_MAX)
    )

    def pause_s(self) -> float | None:
        """Count an end. Returns how long to wait before the next start, None for "no more"."""
        now = time.monotonic()
        self.times.append(now)
        while self.times[0] < now - ENDS_WINDOW_S:
            self.times.popleft()
        count = len(self.times)
        return None if count >= ENDS_MAX else RESTART_S_FIRST * 2 ** (count - 1)


@dataclass(slots=True)
class _Part:
    service: Service
    log: RotatingFileHandler
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    ends: _Ends = field(default_factory=_Ends)
    last_lines: collections.deque[str] = field(
        default_factory=lambda: collections.deque(maxlen=LAST_LINES_MAX)
    )

    def note(self, line: str) -> None:
        self.last_lines.append(line)
        self.log.handle(logging.makeLogRecord({"msg": "%s", "args": (line,)}))

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Keeps services running until it is told to stop or one of them cannot be kept."""

    def __init__(
        self, services: Sequence[Service], *, log_dir: Path, show: Show, working_dir: Path
    ) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        self._log_dir = log_dir
        self._show = show
        self._working_dir = working_dir
        self._parts = {
            service.name: _Part(
                service,
                RotatingFileHandler(
                    log_dir / f"{service.name}.log", maxBytes=LOG_BYTES_MAX, backupCount=1
                ),
            )
            for service in services
        }
        self._stopping = asyncio.Event()
        #: Why everything was stopped, in words; empty if that was asked for.
        self.failure = ""

    async def run(
        self,
        *,
        announce: Callable[[], Awaitable[None]],
        watched: Sequence[Watched] = (),
    ) -> None:
        """Run the services until a stop; then `failure` says whether one of them caused it.

        `announce` runs beside them: it waits until they answer, tells so, or raises
        NotReadyError. `watched` are processes that others started, which are kept, too.
        """
        with self._signals():
            try:
                async with asyncio.TaskGroup() as group:
                    announcing = group.create_task(self._announce(announce))
                    watching = [group.create_task(self._keep_watched(each)) for each in watched]
                    tasks = {
                        name: group.create_task(self._keep(part), name=name)
                        for name, part in self._parts.items()
                    }
                    await self._stopping.wait()
                    for task in (announcing, *watching):
                        task.cancel()
                    for name in reversed(self._parts):
                        await self._end(self._parts[name], tasks[name])
            finally:
                for part in self._parts.values():
                    part.log.close()

    def stop(self) -> None:
        """Begin to stop. Asked a second time, kill what still runs."""
        if self._stopping.is_set():
            for part in self._parts.values():
                part.send(signal.SIGKILL)
        self._stopping.set()

    def _fail(self, reason: str) -> None:
        """Stop because of something: the first reason counts, the rest follows from it."""
        if not self._stopping.is_set():
            self.failure = reason
            self._stopping.set()

    async def _announce(self, announce: Callable[[], Awaitable[None]]) -> None:
        try:
            await announce()
        except NotReadyError as error:
            self._fail(str(error))

    async def _keep(self, part: _Part) -> None:
        """Start a part, whenever it ended again, until a stop."""
        name = part.service.name
        while True:
            code = await self._run_once(part)
            if self._stopping.is_set():
                if code not in {0, -signal.SIGTERM, -signal.SIGKILL}:
                    log = self._log_path(part)
                    self._show(name, f"{how_it_ended(code)} when it was to stop; see {log}")
                return
            if not await self._pause(name, how_it_ended(code), part.ends, self._said(part)):
                return

    async def _run_once(self, part: _Part) -> int:
        """Start a part and read what it says until it ends. Returns its exit code."""
        service = part.service
        if service.after:
            await self._parts[service.after].ready.wait()
        part.last_lines.clear()
        part.process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "console.embedded.lifeline",
            *service.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            cwd=self._working_dir,
            pass_fds=service.file_descriptors,
            start_new_session=True,
        )
        try:
            async with asyncio.TaskGroup() as group:
                reading = [
                    group.create_task(self._read(part, process.stdout, warns=False)),
                    group.create_task(self._read(part, process.stderr, warns=True)),
                ]
                getting_ready = group.create_task(self._get_ready(part))
                code = await process.wait()
                getting_ready.cancel()
                await asyncio.wait(reading, timeout=DRAIN_SECONDS)
                for task in reading:
                    task.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            part.ready.clear()
            part.process = None
        return code

    async def _pause(self, name: str, how: str, ends: _Ends, said: str) -> bool:
        """Wait before something is started again. Returns whether it is to be."""
        pause_s = ends.pause_s()
        if pause_s is None:
            self._fail(
                f"Everything was stopped because {name} ended {ENDS_MAX} times within "
                f"{ENDS_WINDOW_S:.0f} s; the last time it {how}.{said}"
            )
            return False
        self._show(name, f"{how}; it is started again in {pause_s:g} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        return not self._stopping.is_set()

    def _said(self, part: _Part) -> str:
        lines = "".join(f"\n    {line}" for line in part.last_lines)
        log = self._log_path(part)
        return f" Its last lines (more in {log}):{lines}" if lines else f" It said nothing ({log})."

    def _log_path(self, part: _Part) -> Path:
        return self._log_dir / f"{part.service.name}.log"

    async def _keep_watched(self, watched: Watched) -> None:
        """Start a watched process again whenever it ended. Linux alone tells of that."""
        ends, process_id = _Ends(), watched.process_id
        while hasattr(os, "pidfd_open"):
            await _end_of(process_id)
            how = "ended"
            while True:
                if not await self._pause(watched.name, how, ends, ""):
                    return
                try:
                    process_id = await asyncio.to_thread(watched.restart)
                    break
                except NotReadyError as error:
                    how = f"could not be started again ({error})"

    async def _get_ready(self, part: _Part) -> None:
        if part.service.ready is not None:
            await part.service.ready()
        part.ready.set()

    async def _read(self, part: _Part, stream: asyncio.StreamReader | None, *, warns: bool) -> None:
        """Note each line; show those of standard error that no log format calls harmless."""
        assert stream is not None
        harmless = False
        while True:
            try:
                raw = await stream.readline()
            except ValueError:
                raw = b"(a line too long to be shown)\n"
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip()
            part.note(line)
            if known := _LOG_LINE.match(line):
                harmless = known["level"] in _QUIET_LEVELS
            # A traceback's lines have no level of their own: they share that of the line above.
            if warns and line and not harmless and not self._stopping.is_set():
                self._show(part.service.name, line)

    async def _end(self, part: _Part, task: asyncio.Task[None]) -> None:
        """Stop one part and wait until it is gone."""
        if part.process is None:
            task.cancel()
        part.send(signal.SIGTERM)
        done, _ = await asyncio.wait([task], timeout=part.service.stop_seconds)
        if not done:
            self._show(
                part.service.name, f"did not stop in {part.service.stop_seconds:g} s and was killed"
            )
            part.send(signal.SIGKILL)
            await asyncio.wait([task])

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)


async def _end_of(process_id: int) -> None:
    """Return once a process that is no child of this one has ended."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def how_it_ended(code: int) -> str:
    """Say how a process ended; a negative code stands for a signal."""
    if code < 0:
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"
