"""Starts everything that the console needs and is not configured elsewhere, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from rich.console import Console
from rich.text import Text

from console.embedded.broker import broker_listens
from console.embedded.claims import (
    LOOPBACK,
    ClaimError,
    claimed_folder,
    claimed_port,
    require_free_port,
)
from console.embedded.postgres import (
    PostgresNotStartedError,
    embedded_database,
    restarted_postgres,
    running_postgres,
    server_process_id,
)
from console.embedded.supervisor import (
    STOP_SIGNALS,
    NotReadyError,
    Service,
    Supervisor,
    Watched,
)
from ledger.models import IngestWorker

#: How long the web server may take until it answers its first request.
FIRST_ANSWER_SECONDS = 60.0
#: How often it is asked whether the worker is connected, before the simulator may begin.
WORKER_POLL_SECONDS = 0.1
#: How much livelier than a real forecourt the simulated ones are: a visitor has little time.
SIMULATED_SPEED = 5.0
FAILED, CANNOT_START = 1, 2

_console = Console(highlight=False, soft_wrap=True)


class Command(BaseCommand):
    """`manage.py run`."""

    help = "Run the console with everything it needs: database, broker, worker, simulator, server."
    # What the checks look at is looked at by `make check`; here they would only cost time.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the number of simulated sites."""
        parser.add_argument(
            "--sites",
            type=int,
            default=8,
            metavar="N",
            help="sites that the simulator plays (%(default)s); 0 leaves it out",
        )
        parser.add_argument(
            "--speed",
            type=float,
            default=SIMULATED_SPEED,
            metavar="X",
            help="how lively they are, 1 being a real forecourt (%(default)g)",
        )

    def handle(self, *, sites: int, speed: float, **options: Any) -> None:
        """Claim, start, supervise, stop."""
        began = time.monotonic()
        failure = ""
        _interrupt_when_told_to_stop()
        try:
            with contextlib.ExitStack() as stack:
                try:
                    failure = _run(stack, sites=sites, speed=speed, began=began)
                finally:
                    _ignore_signals()  # nothing may interrupt the stop that follows
        except (ClaimError, PostgresNotStartedError) as error:
            _give_up(str(error), CANNOT_START)
        except KeyboardInterrupt:
            pass
        if failure:
            _give_up(failure, FAILED)
        _console.print("Stopped.")


def _run(stack: contextlib.ExitStack, *, sites: int, speed: float, began: float) -> str:
    """Run everything until a stop; return what caused it, empty if a person did."""
    stack.enter_context(claimed_folder(settings.VAR_DIR, mqtt_port=settings.MQTT_PORT))
    if settings.MQTT_IS_EMBEDDED:
        require_free_port(settings.MQTT_PORT, variable="MQTT_PORT", purpose="MQTT")
    web = stack.enter_context(claimed_port(settings.PORT, variable="PORT", purpose="HTTP"))
    if settings.DATABASE_IS_EMBEDDED:
        stack.enter_context(_database())
    demo = settings.DEBUG and settings.DATABASE_IS_EMBEDDED
    _prepare(demo_sites=sites if demo else None)

    supervisor = Supervisor(
        list(_services(web.fileno(), sites=sites if demo else 0, speed=speed)),
        log_dir=settings.VAR_DIR / "log",
        show=_show,
        working_dir=settings.BASE_DIR,
    )
    server = server_process_id(settings.VAR_DIR) if settings.DATABASE_IS_EMBEDDED else None
    port = web.getsockname()[1]

    async def announce() -> None:
        await _first_answer(port)
        _greet(port, seconds=time.monotonic() - began)

    database = Watched(
        name="the embedded PostgreSQL", process_id=server or 0, restart=_restart_database
    )
    asyncio.run(supervisor.run(announce=announce, watched=[database] if server else []))
    return supervisor.failure


@contextlib.contextmanager
def _database() -> Iterator[None]:
    """Run the embedded PostgreSQL, at the address that it turns out to have."""
    with running_postgres(settings.VAR_DIR):
        host = embedded_database(settings.VAR_DIR)["HOST"]
        settings.DATABASES["default"]["HOST"] = connection.settings_dict["HOST"] = host
        yield


def _restart_database() -> int:
    """Start the embedded PostgreSQL again. Returns its process id."""
    try:
        return restarted_postgres(settings.VAR_DIR)
    except PostgresNotStartedError as error:
        raise NotReadyError(str(error)) from error


def _prepare(*, demo_sites: int | None) -> None:
    """Bring the database (and without DEBUG the static files) to what this version needs."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        _console.print("Migrating the database …")
        call_command("migrate", interactive=False, verbosity=0)
    if not settings.DEBUG:
        call_command("collectstatic", interactive=False, verbosity=0)
    if demo_sites is not None:
        call_command("seed_demo", **({"sites": demo_sites} if demo_sites else {}))
    elif settings.DEBUG:
        _console.print(
            "The database is your own, so no demo was put into it: `manage.py seed_demo` does."
        )
    else:
        _console.print(
            "DEBUG is off, so there is no demo: `manage.py createsuperuser` makes a first person."
        )
    connection.close()


def _services(web_descriptor: int, *, sites: int, speed: float) -> Iterator[Service]:
    """Yield the parts in the order they start in; they stop in the reverse."""
    broker = ""
    if settings.MQTT_IS_EMBEDDED:
        broker = "broker"
        yield Service(
            name=broker,
            arguments=["-m", "console.embedded.broker", str(settings.MQTT_PORT)],
            ready=lambda: broker_listens(settings.MQTT_PORT),
        )
    yield Service(
        name="worker",
        arguments=["manage.py", "ingest"],
        after=broker,
        ready=lambda: _worker_listens(timezone.now()),
        stop_seconds=20,
    )
    if broker and sites:
        yield Service(
            name="simulator",
            arguments=["manage.py", "simulate", "--sites", str(sites), "--speed", str(speed)],
            # The embedded broker keeps nothing for a worker that it has not met yet.
            after="worker",
        )
    yield Service(
        name="web",
        arguments=["-m", "console.embedded.web", str(web_descriptor)],
        file_descriptors=(web_descriptor,),
    )


async def _worker_listens(began: datetime.datetime) -> None:
    """Return once a worker has said, since `began`, that it is connected to the broker."""
    while True:
        if await asyncio.to_thread(_is_worker_connected, began):
            return
        await asyncio.sleep(WORKER_POLL_SECONDS)


def _is_worker_connected(began: datetime.datetime) -> bool:
    try:
        return IngestWorker.objects.filter(
            state=IngestWorker.State.CONNECTED, reported_at__gte=began
        ).exists()
    except OperationalError:
        return False  # a database that is away now is asked again
    finally:
        connection.close()


async def _first_answer(port: int) -> None:
    """Wait until the console answers a request. NotReadyError if it does not, or with an error.

    The socket listens from the start, so the request waits in its queue until the server is up.
    A server that ends before it answers is started again, and asked again.
    """
    host = next((name for name in settings.ALLOWED_HOSTS if name.strip("*.")), LOOPBACK)
    request = f"GET /health/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(FIRST_ANSWER_SECONDS):
            status = ""
            while not status:
                with contextlib.suppress(ConnectionError):
                    reader, writer = await asyncio.open_connection(LOOPBACK, port)
                    writer.write(request.encode("ascii"))
                    status = (await reader.readline()).decode("ascii", "replace").strip()
                    writer.close()
                if not status:
                    await asyncio.sleep(WORKER_POLL_SECONDS)
    except TimeoutError:
        raise NotReadyError(
            f"The console did not answer within {FIRST_ANSWER_SECONDS:.0f} s; "
            f"see {settings.VAR_DIR / 'log' / 'web.log'}"
        ) from None
    if not status.startswith("HTTP/1.1 ") or status[9:10] == "5":
        raise NotReadyError(
            f"The console answers its first request with {status or 'nothing'!r}; "
            f"see {settings.VAR_DIR / 'log' / 'web.log'}"
        )


def _greet(port: int, *, seconds: float) -> None:
    _console.print(f"\nReady after {seconds:.1f} s. Ctrl-C stops everything.\n")
    _console.print("  Console        ", Text(f"http://{LOOPBACK}:{port}/", style="bold"), sep="")
    _console.print("  MQTT broker    ", Text(settings.MQTT_URL), sep="")
    _console.print("  Data and logs  ", Text(str(settings.VAR_DIR)), sep="")
    _console.print()


def _show(name: str, line: str) -> None:
    _console.print(Text(f"{name:>9} ", style="cyan"), Text(line), sep="")


def _interrupt_when_told_to_stop() -> None:
    """Treat a terminated command like an interrupted one, until the supervisor takes over."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        signal.signal(number, interrupt)


def _ignore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _give_up(sentence: str, code: int) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(code)
