"""Real workers between a real broker and a real PostgreSQL, each of which tests may break."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest

from ingest.contract import SUBSCRIPTION
from ingest.mqtt import BrokerAddress
from ingest.publication import Publication
from ingest.publisher import Publisher
from tests.faults.ledger import assert_ledger_is
from tests.faults.servers import Postgres
from tests.faults.traffic import SITES, TIMEZONES, Controllers, publications
from tests.mosquitto import Mosquitto
from tests.worker_process import WorkerProcess

#: How often progress is looked at. A worker announces it four times a second, which is too coarse
#: to hit it in the middle of something.
LOOK_EVERY_S = 0.005
#: A test that gets nowhere for so long fails with what the workers said.
GIVE_UP_AFTER_S = 90
#: What is published last, to see that all before it is done with.
LAST_ENTRIES = 10
_ENTRIES = (
    "SELECT coalesce(sum(entry_count), 0) FROM fiscal_day JOIN site ON site.id = site_id "
    "WHERE code IN ({sites})"
)


@dataclass
class Rig:
    """A database, a broker, controllers that publish, and the workers that a test starts."""

    postgres: Postgres
    broker: Mosquitto
    folder: Path
    name: str = field(default_factory=lambda: f"worker-{uuid.uuid4().hex[:8]}")
    sites: Sequence[str] = SITES
    workers: list[WorkerProcess] = field(default_factory=list)
    #: All that was published, as pairs of a site's code and an entry.
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.controllers = Controllers(self.sites)
        self._entries = _ENTRIES.format(sites=", ".join(f"'{site}'" for site in self.sites))

    # --- workers --------------------------------------------------------------------------------

    def start_worker(
        self, *arguments: str, database_url: str = "", mqtt_port: int = 0, name: str = ""
    ) -> WorkerProcess:
        """Start a worker of the rig's name."""
        worker = WorkerProcess.start(
            "--name",
            name or self.name,
            *arguments,
            log=self.folder / f"{self.name}-{len(self.workers)}.log",
            database_url=database_url or self.postgres.url,
            mqtt_url=f"mqtt://127.0.0.1:{mqtt_port or self.broker.port}",
        )
        self.workers.append(worker)
        return worker

    async def stop(self, worker: WorkerProcess, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask a worker to stop, and return its exit code."""
        return await asyncio.to_thread(worker.stop, number)

    def end_workers(self) -> None:
        """Leave no worker running."""
        for worker in self.workers:
            worker.end()

    async def keep_session(self, name: str = "", subscription: str = SUBSCRIPTION) -> None:
        """Let the broker keep from now on what comes for a worker, as if it had been there."""
        async with self._session(name) as client:
            await client.subscribe(subscription, qos=1)

    def _session(self, name: str = "") -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1",
            self.broker.port,
            identifier=f"forecourt-{name or self.name}",
            clean_session=False,
        )

    # --- publishing -----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def publishing(self, count: int) -> AsyncIterator[None]:
        """Publish the next `count` entries while the context is open.

        On leaving, everything is confirmed by the broker: the controllers keep what was not, and
        publish it again.
        """
        entries = self.controllers.entries(count)
        async with self.sending(publications(entries)):
            yield
        self.published += entries

    @contextlib.asynccontextmanager
    async def sending(self, messages: Sequence[Publication]) -> AsyncIterator[None]:
        """Publish messages while the context is open, each until it is confirmed."""
        publisher = Publisher(BrokerAddress.parse(f"mqtt://127.0.0.1:{self.broker.port}"))
        connection = asyncio.create_task(publisher.run())
        sending = asyncio.gather(*(publisher.publish(message) for message in messages))
        try:
            yield
            await sending
        finally:
            sending.cancel()
            connection.cancel()
            await asyncio.wait((connection, asyncio.ensure_future(_settled(sending))))

    async def publish(self, count: int) -> None:
        """Publish the next `count` entries, and return when all are confirmed."""
        async with self.publishing(count):
            pass

    # --- faults ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[None]:
        """Keep everybody from a table while the context is open."""
        async with await psycopg.AsyncConnection.connect(self.postgres.url) as connection:
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
            yield
            await connection.rollback()

    async def until_waiting(self) -> None:
        """Return once a worker waits for a lock in the middle of a transaction."""
        await self.until(
            "SELECT count(*) > 0 FROM pg_stat_activity "
            "WHERE application_name LIKE 'ingest %' AND wait_event_type = 'Lock'",
            True,
        )

    async def until_said(self, worker: WorkerProcess, words: str, *, times: int = 1) -> None:
        """Return once a worker's log holds some words so often."""
        async with asyncio.timeout(GIVE_UP_AFTER_S):
            while worker.log.read_text().count(words) < times:
                if not worker.is_running:
                    pytest.fail(f"it ended and never said {words!r}\n{self.logs}")
                await asyncio.sleep(LOOK_EVERY_S)

    # --- what became of it ----------------------------------------------------------------------

    async def until(self, question: str, answer: Any) -> None:
        """Return once a query's value is the answer, through any loss of the database."""
        await self._until(question, lambda value: value == answer, f"should be {answer!r}")

    async def until_stored(self, count: int) -> None:
        """Return as soon as the ledger holds so many entries, or more."""
        await self._until(self._entries, lambda value: value >= count, f"should be {count} or more")

    async def until_all_stored(self) -> None:
        """Return once the ledger holds as many entries as were published."""
        await self.until(self._entries, len(self.published))

    async def _until(self, question: str, is_reached: Callable[[Any], bool], wanted: str) -> None:
        value: Any = None
        deadline = time.monotonic() + GIVE_UP_AFTER_S
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(
                    self.postgres.url, autocommit=True
                ) as connection:
                    while not is_reached(value := await _value(connection, question)):
                        hopeless = not any(worker.is_running for worker in self.workers)
                        if hopeless or time.monotonic() > deadline:
                            pytest.fail(f"{question!r} {wanted}, but {value!r}\n{self.logs}")
                        await asyncio.sleep(LOOK_EVERY_S)
                    return
            await asyncio.sleep(LOOK_EVERY_S)

    @property
    def logs(self) -> str:
        """What the workers said."""
        return "\n".join(f"--- {worker.log}\n{worker.log.read_text()}" for worker in self.workers)

    def stored(self) -> int:
        """How many entries the ledger holds."""
        return int(self.value(self._entries))

    def value(self, question: str) -> Any:
        """Return the one value that a query gives."""
        with self.postgres.connect() as connection:
            row = connection.execute(question).fetchone()  # type: ignore[call-overload]
        return row and row[0]

    async def finish(self, worker: WorkerProcess) -> None:
        """Nothing was lost, nothing doubled, and everything acknowledged; the worker still works.

        New entries come behind all that the broker sends again, so that is done with, too.
        """
        await self.publish(LAST_ENTRIES)
        await self.until_all_stored()
        assert await self.stop(worker) == 0, self.logs
        self.assert_ledger_is_what_was_published()
        await self.assert_nothing_is_left_at_the_broker()

    def assert_ledger_is_what_was_published(self, *, with_flags: bool = True) -> None:
        """See `assert_ledger_is`."""
        with self.postgres.connect() as connection:
            assert_ledger_is(connection, self.published, self.sites, with_flags=with_flags)

    async def assert_nothing_is_left_at_the_broker(self) -> None:
        """With all workers gone: every message was acknowledged, so none comes again.

        A last message shows it: what comes before it was left.
        """
        async with self._session() as client, aiomqtt.Client("127.0.0.1", self.broker.port) as last:
            await last.publish("forecourt/last", b"", qos=1)
            message = await anext(client.messages)
            assert str(message.topic) == "forecourt/last", self.logs


async def _value(connection: psycopg.AsyncConnection[Any], question: str) -> Any:
    row = await (await connection.execute(question)).fetchone()  # type: ignore[call-overload]
    return row and row[0]


async def _settled(future: asyncio.Future[Any]) -> None:
    await asyncio.wait((future,))


@pytest.fixture(scope="session")
def _postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    # Made anew for each run: a cluster that was broken on purpose is no place to begin.
    postgres = Postgres(tmp_path_factory.mktemp("faults"))
    postgres.start()
    postgres.make_tables()
    yield postgres
    postgres.stop()


@pytest.fixture
def postgres(_postgres: Postgres) -> Postgres:
    """A server that a test may break; empty but for some sites."""
    _postgres.empty(SITES, TIMEZONES)
    return _postgres


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A Mosquitto that persists, as in production."""
    with running_mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@contextlib.contextmanager
def running_mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """Run a Mosquitto that persists in a folder of its own."""
    folder.mkdir()
    broker = Mosquitto(folder, is_persistent=True)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
async def rig(postgres: Postgres, broker: Mosquitto, tmp_path: Path) -> AsyncIterator[Rig]:
    """A rig for one worker; the broker keeps from now on what comes for it."""
    rig = Rig(postgres, broker, tmp_path)
    await rig.keep_session()
    yield rig
    rig.end_workers()
