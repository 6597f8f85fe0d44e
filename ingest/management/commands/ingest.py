"""The ingest worker: MQTT in, ledger out."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import logging
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingest.metrics import TallyCollector, metrics_served
from ingest.mqtt import BrokerAddress
from ingest.options import WorkerOptions
from ingest.status_line import StatusLines
from ingest.topics import ALL_SITES, Share
from ingest.worker import Worker
from ledger.models import Quarantine

logger = logging.getLogger(__name__)

#: How many more objects were made than freed before the collector looks for cycles; see below.
COLLECT_AFTER_OBJECTS = 100_000


def share_from(text: str) -> Share:
    """Read a worker's share of the sites."""
    try:
        return Share.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


class Command(BaseCommand):
    """Run a worker until SIGINT or SIGTERM; it stores the batch at hand and leaves.

    Ends with 0 when it was asked to, with 1 because of a fault; the last line says why.
    """

    #: The signal that asked for the end.
    _asked_by = ""

    help = "Store what sites publish over MQTT in the ledger, until interrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--name",
            default="ingest",
            help="the worker's name; it keeps its place at the broker from one start to the next. "
            "A second worker of one name stands by until the first ends.",
        )
        parser.add_argument(
            "--group",
            default="",
            help="workers of one group divide the messages among them (shared subscription); "
            "each needs a name of its own, and all a broker of your own: the embedded one fails "
            "when a member leaves",
        )
        parser.add_argument(
            "--share",
            type=share_from,
            default=ALL_SITES,
            metavar="K/N",
            help="N workers divide the sites among them, this is the Kth; all N must run. "
            "They get in each other's way less than those of a group. Its name is NAME-K-of-N.",
        )
        parser.add_argument("--mqtt-url", default=settings.MQTT_URL, help="default: %(default)s")
        parser.add_argument(
            "--metrics-port",
            type=int,
            default=settings.METRICS_PORT,
            help="answer Prometheus at this port (%(default)s); 0 answers nowhere",
        )
        parser.add_argument(
            "--metrics-host",
            default=settings.METRICS_HOST,
            help="the address that it listens on; default: %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        try:
            broker = BrokerAddress.parse(options["mqtt_url"], authority=settings.MQTT_CA)
        except ValueError as error:
            raise CommandError(f"MQTT_URL, MQTT_CA: {error}") from None
        share = options["share"]
        worker_options = WorkerOptions(
            broker=broker,
            name=f"{options['name']}{share.suffix}",
            group=options["group"],
            share=share,
            series=Path(settings.SEAL_SERIES) if settings.SEAL_SERIES else None,
        )
        worker = Worker(worker_options, on_pulse=self._on_pulse())
        _collect_seldom()
        try:
            with (
                self._metrics(worker, options["metrics_host"], options["metrics_port"]),
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                runner.run(self._run(worker))
        except CommandError:
            raise
        except Exception as error:
            logger.exception("ingest %s: ended by an error", worker_options.name)
            raise CommandError(
                f"ingest {worker_options.name}: ended by {error!r}; "
                "what was not stored was not acknowledged, the broker keeps it"
            ) from error
        self.stderr.write(
            f"ingest {worker_options.name}: stopped as asked by {self._asked_by}, "
            + (
                "while the database or the broker was away; what was not stored was not "
                "acknowledged, the broker keeps it"
                if worker.left_something
                else "nothing left undone"
            )
        )

    async def _run(self, worker: Worker) -> None:
        def stop(number: signal.Signals) -> None:
            self._asked_by = number.name
            worker.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        await worker.run()

    def _on_pulse(self) -> Callable[[dict[str, Any]], None] | None:
        """Show each second on a terminal; a log file wants no such lines."""
        if not self.stdout.isatty():
            return None
        lines = StatusLines(sys.stdout)
        return lambda row: lines.show(row, datetime.datetime.now().astimezone())

    @contextlib.contextmanager
    def _metrics(self, worker: Worker, host: str, port: int) -> Iterator[None]:
        if not port:
            yield
            return
        collector = TallyCollector(
            worker.tally, worker=worker.options.name, reasons=tuple(Quarantine.Reason.values)
        )
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(metrics_served(collector, host=host, port=port))
            except OSError as error:
                raise CommandError(
                    f"metrics cannot be served at {host}:{port}: {error.strerror or error}; "
                    "METRICS_PORT names another port"
                ) from error
            logger.info("metrics at http://%s:%s/metrics", host, port)
            yield


def _collect_seldom() -> None:
    """Keep Python's cycle collector out of the way of commits.

    By default it walks through all that a batch holds time and again: pauses of 30 ms that a
    hundredth of the messages wait for. The worker makes hardly any cycles, so it may look seldom,
    and need never look at what was there from the start.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
