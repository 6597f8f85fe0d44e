"""The ingest worker: MQTT in, ledger out."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingest.mqtt import BrokerAddress
from ingest.worker import Worker, WorkerOptions

logger = logging.getLogger(__name__)


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
            "each needs a name of its own",
        )
        parser.add_argument("--mqtt-url", default=settings.MQTT_URL, help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        try:
            broker = BrokerAddress.parse(options["mqtt_url"])
        except ValueError as error:
            raise CommandError(f"MQTT_URL: {error}") from None
        worker_options = WorkerOptions(broker=broker, name=options["name"], group=options["group"])
        worker = Worker(worker_options, on_pulse=self._print_pulse)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run(worker))
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

    def _print_pulse(self, row: dict[str, Any]) -> None:
        """Print one line a second on a terminal; a log file wants no such line."""
        if not self.stdout.isatty():
            return
        latency = row["latency_ms_p99"]
        self.stdout.write(
            f"received {row['received']:>7,}  stored {row['stored']:>7,}  "
            f"duplicates {row['duplicates']:>6,}  quarantined {row['quarantined']:>5,}  "
            f"live {row['live']:>6,}  p99 {'-' if latency is None else f'{latency:.1f} ms':>9}  "
            f"held {row['backlog']:>6,}"
        )
