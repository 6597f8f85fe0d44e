"""`manage.py replay FILE --as ccs`: real transactions travel through the broker to the ledger."""

from __future__ import annotations

import asyncio
from argparse import ArgumentTypeError
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingest.mqtt import BrokerAddress
from ingest.publisher import CONNECT_SECONDS, Publisher
from ingest.replay.ccs import ReplayError, TimedMessage, Transaction, messages, read_ccs, site_specs
from ingest.replay.play import NoBrokerError, play
from ledger.import_report import ImportReport
from ledger.services.sites import SiteRegistrationError, sites_register


def speed_from(text: str) -> float | None:
    """Read `max`, or how many times faster than real time."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ArgumentTypeError(f"{text!r} is neither max nor a number above 0")
    return speed


class Command(BaseCommand):
    """Register the stations, publish their transactions, and say what was published."""

    help = (
        "Publishes recorded transactions as contract messages through the broker. Registers the "
        "stations that occur first. Replaying the same files again changes nothing in the ledger. "
        "Money is rounded to 2 places and litres to 3, half away from zero. What was rounded and "
        "each line that cannot be used is reported, and the rest is published. Exit code 0 when "
        "that is done, 1 when it is not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the files, the format and the pace."""
        parser.add_argument("file", type=Path, help="the transactions")
        parser.add_argument("--as", dest="format", choices=["ccs"], required=True)
        parser.add_argument("--products", type=Path, required=True, help="the products they name")
        parser.add_argument("--stations", type=Path, required=True, help="the stations they name")
        parser.add_argument(
            "--strict",
            action="store_true",
            help="publish nothing if any line cannot be used just as it stands",
        )
        parser.add_argument(
            "--speed", type=speed_from, default="max", help="times real time, or max (%(default)s)"
        )
        parser.add_argument(
            "--mqtt-url", default=settings.MQTT_URL, help="the broker (default: MQTT_URL)"
        )
        parser.add_argument(
            "--connect-seconds", type=float, default=CONNECT_SECONDS, metavar="S",
            help="how long to try to reach the broker (%(default)s)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, register, publish."""
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        report = ImportReport(is_strict=options["strict"])
        try:
            address = BrokerAddress.parse(options["mqtt_url"], authority=settings.MQTT_CA)
            transactions = read_ccs(
                transactions=options["file"],
                products=options["products"],
                stations=options["stations"],
                report=report,
            )
            for sentence in report.sentences():
                console.print(sentence, markup=False, highlight=False)
            sites_register(specs=site_specs(transactions))
        except (ReplayError, SiteRegistrationError, ValueError) as error:
            raise CommandError(str(error)) from error
        if not transactions:
            raise CommandError(f"{options['file']} holds no line that can be used.")
        timed = messages(transactions)
        try:
            asyncio.run(_play_with_bar(console, address, timed, options))
        except NoBrokerError:
            raise CommandError(f"No broker answers at {address.host}:{address.port}.") from None
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped before the end. Run it again to publish the rest: what the ledger has "
                "already stays as it is."
            ) from None
        console.print(published_table(transactions))


async def _play_with_bar(
    console: Console, address: BrokerAddress, timed: list[TimedMessage], options: dict[str, Any]
) -> None:
    columns = (
        TextColumn("Publishing"), BarColumn(), MofNCompleteColumn(), TextColumn("acknowledged,"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(timed))
        publisher = Publisher(address, log=progress.console.print)
        await play(
            publisher, timed, speed=options["speed"], connect_seconds=options["connect_seconds"],
            on_acknowledged=lambda: progress.advance(task),
        )  # fmt: skip


def published_table(transactions: list[Transaction]) -> Table:
    """What was published, to be compared with what the ledger holds."""
    by_currency: dict[str, Decimal] = defaultdict(Decimal)
    for transaction in transactions:
        by_currency[transaction.station.land.currency] += transaction.total
    days = {(transaction.station.code, transaction.fiscal_day) for transaction in transactions}
    table = Table("Published", title="Acknowledged by the broker", title_justify="left")
    table.add_column("", justify="right")
    table.add_row("entries", f"{len(transactions):,}")
    table.add_row("sites", f"{len({code for code, _ in days}):,}")
    table.add_row("fiscal days", f"{len(days):,}")
    table.add_row("total over all currencies", f"{sum(by_currency.values()):,.2f}")
    for currency, amount in sorted(by_currency.items()):
        table.add_row(f"  of it in {currency}", f"{amount:,.2f}")
    return table
