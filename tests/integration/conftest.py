"""A real worker process between a real broker and the real database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest

from tests.conftest import BrokerAddress, free_port, wait_for_port
from tests.worker_process import WorkerProcess

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Rig:
    """A broker, a database and the workers that a test starts between them."""

    broker: BrokerAddress
    database_url: str
    folder: Path
    name: str
    workers: list[WorkerProcess] = field(default_factory=list)

    def start_worker(
        self, *arguments: str, mqtt_url: str = "", env: Sequence[str] = ()
    ) -> WorkerProcess:
        """Start a worker of the rig's name; what it does is waited for with `until`."""
        worker = WorkerProcess.start(
            "--name",
            self.name,
            *arguments,
            log=self.folder / f"worker-{len(self.workers)}.log",
            database_url=self.database_url,
            mqtt_url=mqtt_url or self.broker.url,
            env=env,
        )
        self.workers.append(worker)
        return worker

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[aiomqtt.Client]:
        """A plain client, as any integrator would write it."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            yield client

    async def publish(self, *messages: tuple[str, Any]) -> None:
        """Publish (topic, payload) pairs at QoS 1, one after the other; JSON unless bytes."""
        async with self.publisher() as client:
            for topic, payload in messages:
                data = payload if isinstance(payload, bytes) else json.dumps(payload)
                await client.publish(topic, data, qos=1)

    async def until(self, question: str, answer: Any, *, seconds: float = 20) -> None:
        """Return once the query's value is the answer; the worker rings when it may be."""
        async with await psycopg.AsyncConnection.connect(
            self.database_url, autocommit=True
        ) as connection:
            await connection.execute("LISTEN ledger_changes")
            value: Any = None
            async with asyncio.timeout(seconds):
                try:
                    while (value := await _value(connection, question)) != answer:
                        # The worker's pulse rings each second even when nothing changed.
                        async for _ in connection.notifies(timeout=1.5, stop_after=1):
                            pass
                except asyncio.CancelledError:
                    logs = "\n".join(worker.log.read_text() for worker in self.workers)
                    pytest.fail(f"{question!r} is {value!r}, not {answer!r}\n{logs}")


RigMaker = Callable[[BrokerAddress], Awaitable[Rig]]


async def _value(connection: psycopg.AsyncConnection[Any], question: str) -> Any:
    row = await (await connection.execute(question)).fetchone()
    return row and row[0]


async def open_session(broker: BrokerAddress, client_id: str) -> None:
    """Let the broker keep, from now on, what comes for a client that is not there yet."""
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, identifier=client_id, clean_session=False
    ) as client:
        await client.subscribe("forecourt/#", qos=1)


@pytest.fixture
def make_rig(database_url: str, tmp_path: Path) -> Iterator[RigMaker]:
    """Return a function that makes a rig on a broker; its workers end with the test."""
    rigs: list[Rig] = []

    async def make(broker: BrokerAddress) -> Rig:
        name = f"worker-{uuid.uuid4().hex[:8]}"
        # As if the worker had been there before: the broker keeps for it what comes until it is.
        await open_session(broker, f"forecourt-{name}")
        rigs.append(Rig(broker, database_url, tmp_path, name))
        return rigs[-1]

    yield make
    for worker in (worker for rig in rigs for worker in rig.workers):
        worker.end()


@pytest.fixture(params=["embedded_broker", "mosquitto"])
def broker(request: pytest.FixtureRequest) -> BrokerAddress:
    """Each kind of broker in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def rig(make_rig: RigMaker, broker: BrokerAddress) -> Rig:
    """A rig on each kind of broker."""
    return await make_rig(broker)


@pytest.fixture
async def embedded_rig(make_rig: RigMaker, embedded_broker: BrokerAddress) -> Rig:
    """A rig on the embedded broker alone, where the broker makes no difference."""
    return await make_rig(embedded_broker)


#: Connections of a console process that a test starts, and the name that they have there.
POOL_MAX = 2
CONSOLE_NAME = "console of a test"


@pytest.fixture
def start_console(
    database_url: str, tmp_path: Path
) -> Iterator[Callable[[], tuple[subprocess.Popen[str], int]]]:
    """Start a console that gives open responses all the time they want when it stops."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "console.settings",
        "DATABASE_URL": database_url,
        "DATABASE_POOL_MAX": str(POOL_MAX),
        "PGAPPNAME": CONSOLE_NAME,
        "SECRET_KEY": "the-tests-protect-nothing",
        "VAR_DIR": str(tmp_path),
    }
    with contextlib.ExitStack() as stack:

        def start() -> tuple[subprocess.Popen[str], int]:
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "console.asgi:application"]
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, f"--port={port}", "--log-level=warning"],
                    cwd=ROOT,
                    env=environment,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            wait_for_port(port, seconds=30)
            return process, port

        yield start
