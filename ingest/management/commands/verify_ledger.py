"""`manage.py verify_ledger`: everything that was sealed or added up, made again from the rows."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import aiomqtt
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.mqtt import BrokerAddress
from ingest.seal_copies import seal_copies
from ledger.copy_verification import SealCopy
from ledger.models import Site
from ledger.seal_series import has_series
from ledger.verification import Verdict, days_to_verify, ledger_verify

#: How many faults are named; all are counted.
FAULTS_SHOWN_MAX = 20
EXIT_FAULTS, EXIT_USAGE = 1, 2


class Command(BaseCommand):
    """Verify, and say what was looked at and what is wrong."""

    help = (
        "Verifies seals, the chain they form, their signatures, the chain of the audit trail, "
        "running totals, postings, and the guards that keep rows from being changed, and compares "
        "with copies outside of the database; names the first broken row. Exit code 0 when "
        "everything agrees, 1 when something does not, 2 when it cannot be asked like that."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which sites and days, and whether the sites' own copies are compared."""
        parser.add_argument(
            "--site", action="append", default=[], metavar="CODE", help="only this site; repeatable"
        )
        parser.add_argument("--from", dest="first", metavar="DATE", help="from this fiscal day")
        parser.add_argument("--to", dest="last", metavar="DATE", help="to this fiscal day")
        parser.add_argument(
            "--against",
            action="append",
            type=Path,
            metavar="FILE_OR_FOLDER",
            help="compare with a copy that export_seals or a site keeps; repeatable "
            "(default: SEAL_SERIES, once there is something in it)",
        )
        parser.add_argument(
            "--broker",
            nargs="?",
            const=settings.MQTT_URL,
            metavar="URL",
            help="compare the newest seals with the copies that the broker keeps for the sites "
            "(default: MQTT_URL)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify; CommandError for what is wrong, with the exit code."""
        first, last = _date(options["first"]), _date(options["last"])
        if first and last and last < first:
            raise CommandError(f"{last} is before {first}.", returncode=EXIT_USAGE)
        sites = _sites(options["site"])
        copies = _copies(options["broker"]) if options["broker"] else None
        series = _series(options["against"])
        console = Console(file=self.stdout, soft_wrap=True)  # type: ignore[arg-type]
        columns = (
            TextColumn("Verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("fiscal days,"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )  # fmt: skip
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=days_to_verify(sites=sites, first=first, last=last))
            verdict = ledger_verify(
                sites=sites,
                first=first,
                last=last,
                copies=copies,
                series=series,
                are_all_sites=not options["site"],
                on_days=lambda count: progress.advance(task, count),
            )
        console.print(_looked_at(verdict, copies, series))
        for note in verdict.notes[:FAULTS_SHOWN_MAX]:
            console.print(note + ".")
        if verdict.faults:
            raise CommandError(_faults(verdict), returncode=EXIT_FAULTS)
        console.print("Everything agrees.")


def _date(text: str | None) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if text else None
    except ValueError:
        raise CommandError(f"{text!r} is no date YYYY-MM-DD.", returncode=EXIT_USAGE) from None


def _sites(codes: list[str]) -> list[Site]:
    sites = Site.objects.order_by("code")
    if not codes:
        return list(sites)
    found = list(sites.filter(code__in=codes))
    if unknown := sorted(set(codes) - {site.code for site in found}):
        raise CommandError(f"There is no site {', '.join(unknown)}.", returncode=EXIT_USAGE)
    return found


def _copies(url: str) -> dict[str, SealCopy]:
    try:
        address = BrokerAddress.parse(url, authority=settings.MQTT_CA)
        return asyncio.run(seal_copies(address))
    except ValueError as error:
        raise CommandError(str(error), returncode=EXIT_USAGE) from error
    except aiomqtt.MqttError as error:
        raise CommandError(
            f"No broker answers at {address.host}:{address.port} ({error}).", returncode=EXIT_USAGE
        ) from error


def _series(given: list[Path] | None) -> list[Path]:
    if given:
        return given
    usual = Path(settings.SEAL_SERIES) if settings.SEAL_SERIES else None
    return [usual] if usual and has_series(usual) else []


def _looked_at(verdict: Verdict, copies: dict[str, SealCopy] | None, series: list[Path]) -> str:
    entries, days = _count(verdict.entries, "entry", "entries"), _count(verdict.days, "fiscal day")
    said = f"{entries} of {days}, {verdict.sealed:,} of them sealed"
    said += f" ({_count(verdict.signatures, 'signature')})"
    if verdict.missing:
        said += f"; {_count(verdict.missing, 'entry is', 'entries are')} missing"
    said += f"; {_count(verdict.events, 'event')} of the audit trail"
    if series:
        copied = _count(verdict.in_series, "seal")
        said += f"; {copied} of {', '.join(map(str, series))} compared"
    if copies is not None:
        said += f"; {_count(verdict.copies, 'copy', 'copies')} of the sites compared"
    return said + "."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _faults(verdict: Verdict) -> str:
    shown = [f"  {fault}" for fault in verdict.faults[:FAULTS_SHOWN_MAX]]
    if len(verdict.faults) > FAULTS_SHOWN_MAX:
        shown.append(f"  and {len(verdict.faults) - FAULTS_SHOWN_MAX:,} more")
    return "\n".join([f"{_count(len(verdict.faults), 'thing')} wrong, first:", *shown])
