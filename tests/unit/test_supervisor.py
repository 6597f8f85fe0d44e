"""The supervisor, with small programs in the place of the console's parts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.embedded.supervisor import NotReadyError, Service, Supervisor, how_it_ended

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
def bench(tmp_path: Path) -> Bench:
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


async def test_a_part_that_dies_is_named_and_stops_the_rest(bench: Bench) -> None:
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
    assert "because bad ended with exit code 7" in supervisor.failure
    assert "the last words" in supervisor.failure
    assert str(bench.folder / "log" / "bad.log") in supervisor.failure
    assert bench.ended() == ["good"]


async def test_a_part_that_ends_well_but_unasked_stops_the_rest(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("short", "pass"))
    await supervisor.run(announce=never)
    assert "because short ended with exit code 0" in supervisor.failure
    assert "It said nothing" in supervisor.failure


async def test_a_killed_part_is_named_with_its_signal(bench: Bench) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    supervisor = bench.supervisor(bench.service("victim", program))
    await supervisor.run(announce=never)
    assert "because victim was ended by signal 9 (SIGKILL)" in supervisor.failure


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
async def test_the_end_of_a_watched_process_is_a_failure(bench: Bench) -> None:
    supervisor = bench.supervisor(bench.service("a", OBEDIENT))
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)

    async def announce() -> None:
        await bench.all_up("a")
        await other.communicate(b"\n")
        await never()

    await supervisor.run(announce=announce, watched={"the database": other.pid})
    # The supervisor may see it end before the announcement does, which is cancelled then.
    await other.wait()
    assert supervisor.failure == "Everything was stopped because the database ended."
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
