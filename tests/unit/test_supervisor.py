"""The supervisor, with small programs in the place of the console's parts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.embedded import supervisor as supervising
from console.embedded.supervisor import (
    NotReadyError,
    Service,
    Supervisor,
    Watched,
    how_it_ended,
)

ROOT = Path(__file__).resolve().parents[2]
#: Says that it is up, and as it is told to end writes its name into a file.
OBEDIENT = """
import pathlib, signal, sys
def leave(*_):
    with pathlib.Path(sys.argv[2]).open("a") as order:
        order.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
while True:
    signal.pause()
"""
STUBBORN = OBEDIENT.replace("signal.signal(signal.SIGTERM, leave)", "").replace(
    "print(", "signal.signal(signal.SIGTERM, signal.SIG_IGN); print("
)


class Bench:
    """Programs, a supervisor for them, and what it showed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: list[tuple[str, str]] = []
        self.order = folder / "order"

    def service(self, name: str, program: str, **options: object) -> Service:
        path = self.folder / f"{name}.py"
        path.write_text(program)
        arguments = [str(path), name, str(self.order)]
        return Service(name=name, arguments=arguments, **options)

    def supervisor(self, *services: Service) -> Supervisor:
        return Supervisor(
            services,
            log_dir=self.folder / "log",
            show=lambda name, line: self.shown.append((name, line)),
            working_dir=ROOT,
        )

    def log(self, name: str) -> str:
        return (self.folder / "log" / f"{name}.log").read_text()

    async def all_up(self, *names: str) -> None:
        """Return once each of the programs has said that it is up."""
        await until(lambda: all("up" in self.log(name) for name in names))

    def ended(self) -> list[str]:
        return self.order.read_text().split() if self.order.exists() else []


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(supervising, "RESTART_S_FIRST", 0.01)
    return Bench(tmp_path)


async def until(holds: Callable[[], bool]) -> None:
    """Return once something holds of files that another process writes."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - a file rings no bell
            await asyncio.sleep(0.01)


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_all_the_last_started_first(bench: Bench, number: int) -> None:
    supervisor = bench.supervisor(*(bench.service(name, OBEDIENT) for name in ("a", "b", "c")))

    async def announce() -> None:
        await bench.all_up("a", "b", "c")
        os.kill(os.getpid(), number)

    await supervisor.run(announce=announce)

    assert supervisor.failure == ""
    assert bench.ended() == ["c", "b", "a"]
    assert bench.shown == []


async def test_a_part_that_ended_is_started_again(bench: Bench) -> None:
    """The others go on; it is said how it ended."""
    supervisor = bench.supervisor(
        bench.service("victim", OBEDIENT), bench.service("other", OBEDIENT)
    )

    async def announce() -> None:
        await bench.all_up("victim", "other")
        part = supervisor._parts["victim"]
        first = part.process
        assert first is not None
        first.kill()
        await until(lambda: bench.log("victim").count("up") == 2)
        assert bench.ended() == []
        supervisor.stop()

    await supervisor.run(announce=announce)
    assert supervisor.failure == ""
    assert bench.log("other").count("up") == 1
    ((name, line),) = bench.shown
    assert name == "victim"
    assert line == "was ended by signal 9 (SIGKILL); it is started again in 0.01 s"


async def test_a_part_that_waits_to_be_started_again_can_be_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "RESTART_S_FIRST", 3600)
    supervisor = bench.supervisor(bench.service("short", "pass"))

    async def announce() -> None:
        await until(lambda: bool(bench.shown))
        supervisor.stop()

    async with asyncio.timeout(20):
        await supervisor.run(announce=announce)
    assert supervisor.failure == ""


def test_pauses_grow_and_ends_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("console.embedded.supervisor.time.monotonic", lambda: now)
    ends = supervising._Ends()
    assert [ends.pause_s() for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, None]
    now += 61
    assert [ends.pause_s() for _ in range(2)] == [0.5, 1.0]


async def test_a_part_that_keeps_dying_is_named_and_stops_the_rest(bench: Bench) -> None:
    dies = "import sys; print('one'); print('the last words', file=sys.stderr); sys.exit(7)"
    good = bench.service("good", OBEDIENT)
    started = asyncio.Event()

    async def good_is_up() -> None:
        await bench.all_up("good")
        started.set()

    supervisor = bench.supervisor(
        Service(name="good", arguments=good.arguments, ready=good_is_up),
        bench.service("bad", dies, after="good"),
    )
    await supervisor.run(announce=never)

    assert started.is_set()
    assert (
        "because bad ended 5 times within 60 s; the last time it ended with exit code 7."
        in supervisor.failure
    )
    assert len(bench.shown) == 4 + 5  # how it ended, and what it said on standard error
    assert "the last words" in supervisor.failure
    assert str(bench.folder / "log" / "bad.log") in supervisor.failure
    assert bench.ended() == ["good"]


async def test_a_part_that_ends_well_but_unasked_stops_the_rest(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("short", "pass"))
    await supervisor.run(announce=never)
    assert "short ended 5 times within 60 s; the last time it ended with exit code 0" in (
        supervisor.failure
    )
    assert "It said nothing" in supervisor.failure


async def test_a_killed_part_is_named_with_its_signal(bench: Bench) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    supervisor = bench.supervisor(bench.service("victim", program))
    await supervisor.run(announce=never)
    assert "the last time it was ended by signal 9 (SIGKILL)" in supervisor.failure


async def test_a_part_that_does_not_stop_is_killed(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("deaf", STUBBORN, stop_seconds=0.2))

    async def announce() -> None:
        await bench.all_up("deaf")
        supervisor.stop()

    await supervisor.run(announce=announce)
    assert bench.shown == [("deaf", "did not stop in 0.2 s and was killed")]
    assert supervisor.failure == ""


async def test_a_second_request_to_stop_kills(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("deaf", STUBBORN, stop_seconds=60))

    async def announce() -> None:
        await bench.all_up("deaf")
        supervisor.stop()
        asyncio.get_running_loop().call_later(0.1, supervisor.stop)

    async with asyncio.timeout(20):
        await supervisor.run(announce=announce)
    assert supervisor.failure == ""


async def test_a_part_waits_for_the_one_it_needs(bench: Bench) -> None:
    may_go = asyncio.Event()
    supervisor = bench.supervisor(
        bench.service("first", OBEDIENT, ready=may_go.wait),
        bench.service("second", OBEDIENT, after="first"),
    )

    async def announce() -> None:
        await bench.all_up("first")
        assert bench.log("second") == ""
        may_go.set()
        await bench.all_up("second")
        supervisor.stop()

    await supervisor.run(announce=announce)
    assert bench.ended() == ["second", "first"]


async def test_a_stop_does_not_wait_for_parts_that_never_started(bench: Bench) -> None:
    supervisor = bench.supervisor(
        bench.service("first", OBEDIENT, ready=never),
        bench.service("second", OBEDIENT, after="first"),
    )

    async def announce() -> None:
        await bench.all_up("first")
        supervisor.stop()

    async with asyncio.timeout(20):
        await supervisor.run(announce=announce)
    assert bench.ended() == ["first"]


async def test_what_does_not_answer_is_a_failure(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("a", OBEDIENT))

    async def announce() -> None:
        await bench.all_up("a")
        raise NotReadyError("It does not answer.")

    await supervisor.run(announce=announce)
    assert supervisor.failure == "It does not answer."
    assert bench.ended() == ["a"]


async def test_warnings_and_traces_are_shown_and_the_rest_is_logged(bench: Bench) -> None:
    program = OBEDIENT.replace(
        'print("up"',
        """
for line in (
    "2026-11-22 10:00:00,000 INFO x: fine",
    "  more of what is fine",
    "2026-11-22 10:00:00,001 ERROR x: broken",
    "Traceback (most recent call last):",
    "2026-11-22 10:00:00,002 DEBUG x: fine again",
):
    print(line, file=sys.stderr, flush=True)
print("chatter")
print("y" * 600_000)
print("up\"""",
    )
    supervisor = bench.supervisor(bench.service("a", program))

    async def announce() -> None:
        await bench.all_up("a")
        supervisor.stop()

    await supervisor.run(announce=announce)
    assert bench.shown == [
        ("a", "2026-11-22 10:00:00,001 ERROR x: broken"),
        ("a", "Traceback (most recent call last):"),
    ]
    log = bench.log("a")
    assert all(said in log for said in ("fine again", "chatter", "(a line too long to be shown)"))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells of others' processes")
async def test_a_watched_process_is_started_again_until_that_is_no_use(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("a", OBEDIENT))
    others = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
        for _ in range(2)
    ]
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    def restart() -> int:
        calls.append("")
        if len(calls) == 1:
            raise NotReadyError("its memory is still held")
        if len(calls) == 2:
            loop.call_soon_threadsafe(started.set)
            return others[1].pid
        raise NotReadyError("its disk is full")

    async def announce() -> None:
        await bench.all_up("a")
        await others[0].communicate(b"\n")
        await started.wait()
        await others[1].communicate(b"\n")
        await never()

    database = Watched(name="the database", process_id=others[0].pid, restart=restart)
    await supervisor.run(announce=announce, watched=[database])
    for other in others:
        await other.wait()
    assert supervisor.failure == (
        "Everything was stopped because the database ended 5 times within 60 s; "
        "the last time it could not be started again (its disk is full)."
    )
    assert bench.ended() == ["a"]


async def test_parts_end_when_the_supervisor_is_killed(bench: Bench) -> None:
    service = bench.service("orphan", OBEDIENT)
    supervising = f"""
import asyncio, pathlib
from console.embedded.supervisor import Service, Supervisor
async def announce(): print("running", flush=True)
service = Service(name="orphan", arguments={list(service.arguments)!r})
folder = pathlib.Path({str(bench.folder)!r})
supervisor = Supervisor([service], log_dir=folder / "log", show=print, working_dir=folder.cwd())
asyncio.run(supervisor.run(announce=announce))
"""
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", supervising, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        assert supervisor.stdout
        await supervisor.stdout.readline()
        await bench.all_up("orphan")
        supervisor.kill()
        await supervisor.wait()
        await until(lambda: bench.ended() == ["orphan"])


def test_how_a_process_ended_in_words() -> None:
    assert how_it_ended(3) == "ended with exit code 3"
    assert how_it_ended(-15) == "was ended by signal 15 (SIGTERM)"
