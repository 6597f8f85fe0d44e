"""`manage.py import_sites FILE`: register the forecourts of a Fuel Finder export."""

from __future__ import annotations

import csv
import datetime
from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from ledger.fuel_finder import DirtyValue, FuelFinder, FuelFinderError, give_codes, read_fuel_finder
from ledger.import_report import ImportReport
from ledger.models import Site
from ledger.plausible import DAYS_BEFORE_REGISTRATION
from ledger.services.audit import audit_record
from ledger.services.sites import Registration, SiteRegistrationError, sites_write
from ledger.services.transactions import durable

REPORT_COLUMNS = ("line", "node_id", "name", "column", "value", "what", "done")
EXAMPLE_LENGTH_MAX = 24


class Command(BaseCommand):
    """Register real forecourts, and say what was wrong with the register."""

    help = (
        "Registers the forecourts of a UK Fuel Finder export (CSV). Importing again updates what "
        "changed and nothing else. Values that cannot be right are left out and reported; prices "
        "and coordinates are rounded half away from zero to what the ledger holds. Exit code 0 "
        "when that is done, 1 when nothing was registered."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, and where to write the report."""
        parser.add_argument("file", type=Path, help="the Fuel Finder export")
        parser.add_argument(
            "--first-day",
            type=datetime.date.fromisoformat,
            metavar="DATE",
            help=(
                "the first fiscal day that the forecourts may send, where it is before their own "
                f"(of a new one: {DAYS_BEFORE_REGISTRATION} days before today)"
            ),
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help="register nothing if any row or value cannot be used just as it stands",
        )
        parser.add_argument("--report", type=Path, help="write each dirty value to this CSV file")

    def handle(
        self,
        *args: Any,
        file: Path,
        report: Path | None,
        first_day: datetime.date | None,
        strict: bool,
        **options: Any,
    ) -> None:
        """Read, register, report."""
        try:
            register = read_fuel_finder(
                file, today=timezone.localdate(), report=ImportReport(is_strict=strict)
            )
            taken = dict(Site.objects.values_list("code", "source_id"))
            with durable():
                specs = give_codes(register.sites, taken)
                registrations = sites_write(
                    specs=[replace(spec, first_fiscal_day=first_day) for spec in specs]
                )
                _record(file, registrations)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
        except (FuelFinderError, SiteRegistrationError) as error:
            raise CommandError(str(error)) from error
        if report is not None:
            write_report(report, register.dirty)
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        console.print(summary_table(register, registrations))
        if register.dirty:
            console.print(dirty_table(register.dirty))
        for sentence in register.report.sentences():
            console.print(sentence, markup=False, highlight=False)


def _record(file: Path, registrations: list[Registration]) -> None:
    outcomes = Counter(registration.outcome for registration in registrations)
    if outcomes["registered"] or outcomes["updated"]:
        audit_record(
            action="sites.imported",
            actor="import_sites",
            subject=file.name,
            detail={str(name): count for name, count in outcomes.items()},
        )


def write_report(path: Path, dirty: list[DirtyValue]) -> None:
    """Write each dirty value as one line."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(REPORT_COLUMNS)
            writer.writerows(
                [getattr(value, column) for column in REPORT_COLUMNS] for value in dirty
            )
    except OSError as error:
        raise CommandError(f"the report {path} cannot be written: {error.strerror}") from error


def summary_table(register: FuelFinder, registrations: list[Registration]) -> Table:
    """What became of the rows."""
    outcomes = Counter(registration.outcome for registration in registrations)
    table = Table("Forecourts", title="Fuel Finder import", title_justify="left")
    table.add_column("Rows", justify="right")
    for name, count in (
        ("registered", outcomes["registered"]),
        ("updated", outcomes["updated"]),
        ("unchanged", outcomes["unchanged"]),
        ("skipped", register.skipped),
    ):
        table.add_row(name, f"{count:,}")
    table.add_section()
    table.add_row("in the file", f"{register.rows:,}")
    return table


def dirty_table(dirty: list[DirtyValue]) -> Table:
    """What was wrong, grouped, the most frequent first, with one example each."""
    groups = Counter((value.what, value.done) for value in dirty)
    examples = {(value.what, value.done): value for value in reversed(dirty)}
    table = Table("What was found", "What was done", title="Dirty values", title_justify="left")
    table.add_column("Values", justify="right")
    table.add_column("For example")
    for group, count in groups.most_common():
        example = examples[group]
        column = example.column.rpartition(".")[2]
        value = shorten(example.value, EXAMPLE_LENGTH_MAX, placeholder="…")
        table.add_row(*group, f"{count:,}", f"line {example.line}: {column} {value}")
    table.add_section()
    rows = len({value.line for value in dirty})
    table.add_row(f"in {rows:,} rows", "", f"{len(dirty):,}", "")
    return table
