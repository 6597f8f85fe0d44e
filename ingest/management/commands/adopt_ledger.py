"""`manage.py adopt_ledger TABLE`: move a table of an old shape into the ledger."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingest.adoption.moving import (
    QUARANTINE_PERCENT_MAX,
    Adoption,
    Counts,
    is_too_much,
    too_much,
)
from ingest.adoption.sample import SAMPLE_ROWS, Sample, sample
from ingest.adoption.source import AdoptionError, Connection, OldTable, Rounding, Source
from ingest.adoption.verifying import Verification, Verifying, what_is_wrong
from ingest.database import prepared_connection
from ledger.models import Site
from ledger.plausible import FIRST_DAY_MIN
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record
from ledger.services.transactions import durable

_COLUMNS = (
    TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
    TimeRemainingColumn(elapsed_when_finished=True),
)  # fmt: skip


#: So many sites that begin earlier are named.
FIRST_DAYS_SHOWN_MAX = 20


def pair_from(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def percent_from(text: str) -> Decimal:
    """Read a share between 0 and 100."""
    try:
        percent = Decimal(text)
    except InvalidOperation:
        percent = Decimal(-1)
    if not 0 <= percent <= 100:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return percent


class Command(BaseCommand):
    """Look at a sample, move, verify, and say what became of the rows."""

    help = (
        "Moves the entries of a table or view of the same database into the ledger: each row as "
        "one entry, judged like a message. What cannot be an entry goes to quarantine with the "
        "reason. Looks at a sample first and stops before the first row where a column seems to be "
        "taken for another. May be stopped and run again at any time; nothing is lost or doubled. "
        "Verifies each row afterwards, and count and sum of the whole; the old table stays as it "
        "is. A table of another database can be reached by a foreign table (postgres_fdw), one of "
        "another shape by a view. Exit code 1 when anything does not agree."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the table and what its columns are called."""
        parser.add_argument("table", help="TABLE or SCHEMA.TABLE; it should get no new rows")
        parser.add_argument(
            "--column",
            type=pair_from,
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help=(
                "the column of a field, if it has another name: key (default: id; several with "
                "commas between, where one does not tell all rows apart), site (the site's code), "
                "fiscal_day, sequence, kind, occurred_at, product, amount, volume, ..."
            ),
        )
        parser.add_argument(
            "--constant",
            type=pair_from,
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="one value for all rows, such as kind=sale or site=S1",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help=f"say which columns are read and what would become of {SAMPLE_ROWS:,} rows",
        )
        parser.add_argument(
            "--quarantine-max",
            type=percent_from,
            default=QUARANTINE_PERCENT_MAX,
            metavar="PERCENT",
            help="stop when more of the rows go to quarantine (default: %(default)s)",
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help=(
                "refuse a table with numbers that have to be rounded, and stop at the first piece "
                "with a row that would go to quarantine"
            ),
        )
        parser.add_argument(
            "--start-over",
            action="store_true",
            help="begin anew, with other columns perhaps; only while no row became an entry",
        )
        parser.add_argument(
            "--first-day",
            type=datetime.date.fromisoformat,
            default=FIRST_DAY_MIN,
            metavar="DATE",
            help=(
                "rows of earlier fiscal days come from a broken clock and go to quarantine "
                "(%(default)s); the first fiscal day of each site moves back to that of its others"
            ),
        )
        parser.add_argument(
            "--verify", action="store_true", help="move nothing, only verify what was moved"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Move and verify; CommandError unless every row is accounted for."""
        source = Source(
            table=options["table"],
            columns=dict(options["column"]),
            constants=dict(options["constant"]),
            first_day=max(options["first_day"], FIRST_DAY_MIN),
        )
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        percent_max = Decimal(0) if options["strict"] else options["quarantine_max"]
        run = _Run(console, source, percent_max=percent_max, is_strict=options["strict"])
        try:
            if options["dry_run"]:
                asyncio.run(run.look())
                return
            moved, found = asyncio.run(
                run.adopt(moves=not options["verify"], starts_over=options["start_over"])
            )
        except AdoptionError as error:
            raise CommandError(str(error)) from error
        except psycopg.OperationalError as error:
            raise CommandError(
                f"The database does not answer: {error}. Run it again to go on."
            ) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped. Run it again to go on where it was.") from None
        with durable():
            audit_record(
                action="ledger.adopted",
                actor="adopt_ledger",
                subject=source.table,
                detail={
                    "moved": _counts(moved),
                    "verified": found.is_clean,
                    "days": len(found.days),
                },
            )
            for site in Site.objects.filter(code__in=run.first_days):
                audit_record(
                    action="site.changed",
                    actor="adopt_ledger",
                    site=site,
                    subject=str(site),
                    detail={"after": {"first_fiscal_day": run.first_days[site.code]}},
                )
            changes_announce(site_ids=[])
        console.print(account_table(moved, found))
        if run.first_days:
            console.print(first_days_words(run.first_days))
        if not found.is_clean:
            raise CommandError(what_is_wrong(found))
        if moved and is_too_much(moved.rows, moved.quarantined, percent_max):
            raise CommandError(too_much(moved, percent_max))


class _Run:
    """One run of the command, over one connection."""

    def __init__(
        self, console: Console, source: Source, *, percent_max: Decimal, is_strict: bool
    ) -> None:
        self._console = console
        self._source = source
        self._percent_max = percent_max
        self._is_strict = is_strict
        #: By site code: the first fiscal day that a site got.
        self.first_days: dict[str, datetime.date] = {}

    async def look(self) -> None:
        """Print the columns and what would become of a sample. AdoptionError where it is bad."""
        async with prepared_connection(application_name="adopt_ledger") as connection:
            table = await OldTable.open(connection, self._source)
            self._console.print(places_table(table))
            await table.check_key(connection)
            await self._check_rounding(connection, table)
            found = await sample(Adoption(connection, table))
            self._console.print(sample_table(found))
            self._judge(found)

    async def adopt(self, *, moves: bool, starts_over: bool) -> tuple[Counts | None, Verification]:
        """Move what is left and verify. Returns this run's counts (None if it only verified)."""
        async with prepared_connection(application_name="adopt_ledger") as connection:
            table = await OldTable.open(connection, self._source)
            adoption = Adoption(connection, table)
            async with adoption.alone():
                if starts_over:
                    dismissed = await adoption.start_over()
                    self._console.print(
                        f"Begun anew; {dismissed:,} waiting messages are dismissed."
                    )
                if moves and await adoption.progress() is None:
                    await table.check_key(connection)
                    await self._check_rounding(connection, table)
                    self._judge(await sample(adoption))
                    await adoption.begin()
                with Progress(*_COLUMNS, console=self._console) as progress:
                    moved = await self._move(adoption, progress) if moves else None
                    done = await adoption.progress()
                    task = progress.add_task("Verifying", total=done.rows if done else 0)
                    found = await Verifying(adoption).verify(
                        lambda rows: progress.advance(task, rows)
                    )
        if moves and found.whole.behind:
            raise AdoptionError(
                f"{found.whole.behind:,} rows came while the others were moved. Run it again."
            )
        return moved, found

    async def _move(self, adoption: Adoption, progress: Progress) -> Counts:
        done = await adoption.progress()
        waiting = await adoption.table.count_behind(
            adoption.connection, done.last_key if done else None
        )
        task = progress.add_task("Moving", total=waiting)
        adoption.first_days.clear()
        try:
            return await adoption.move(
                lambda rows: progress.advance(task, rows), percent_max=self._percent_max
            )
        finally:
            self.first_days = adoption.first_days

    async def _check_rounding(self, connection: Connection, table: OldTable) -> None:
        """Say which numbers are rounded and by how much; AdoptionError where none may be."""
        roundings = await table.roundings(connection)
        if not roundings:
            return
        self._console.print(rounding_table(roundings))
        if self._is_strict:
            fields = ", ".join(one.field for one in roundings)
            raise AdoptionError(f"Nothing was moved: {fields} would have to be rounded.")

    def _judge(self, found: Sample) -> None:
        """AdoptionError where too much of a sample would go to quarantine."""
        counts = found.counts
        if is_too_much(counts.rows, counts.quarantined, self._percent_max):
            examples = "; ".join(f"{reason}: {said}" for reason, said in found.examples.items())
            raise AdoptionError(
                f"Nothing was moved. {too_much(counts, self._percent_max)} {examples}"
            )


def places_table(table: OldTable) -> Table:
    """Each field and where it comes from."""
    shown = Table("Field", "Comes from", title=table.source.table, title_justify="left")
    for name, place in table.places():
        shown.add_row(name, place)
    if unused := table.unused_columns():
        shown.add_row("(not read)", ", ".join(unused))
    return shown


def rounding_table(roundings: list[Rounding]) -> Table:
    """Which numbers have more places than the ledger, and what rounding them adds up to."""
    shown = Table(title="Rounded, half away from zero", title_justify="left")
    shown.add_column("Field")
    shown.add_column("To places", justify="right")
    shown.add_column("Rows", justify="right")
    shown.add_column("Adds", justify="right")
    for one in roundings:
        shown.add_row(one.field, str(one.places), f"{one.count:,}", f"{one.added.normalize():+f}")
    return shown


def sample_table(found: Sample) -> Table:
    """What would become of the rows that were looked at."""
    shown = Table(title="What would become of the first and last rows", title_justify="left")
    shown.add_column("Rows")
    shown.add_column("", justify="right")
    shown.add_column("For example")
    shown.add_row("looked at", f"{found.counts.rows:,}")
    shown.add_row("  new entries", f"{found.counts.stored:,}")
    shown.add_row("  already there", f"{found.counts.duplicates:,}")
    for reason, count in found.counts.by_reason.items():
        shown.add_row(f"  {reason}", f"{count:,}", found.examples.get(reason, ""))
    return shown


def account_table(moved: Counts | None, found: Verification) -> Table:
    """What this run moved, and where all rows are now."""
    shown = Table("Rows", title="Moved into the ledger", title_justify="left")
    shown.add_column("", justify="right")
    rows: list[tuple[str, int]] = []
    if moved is not None:
        rows += [
            ("read in this run", moved.rows),
            ("  new entries", moved.stored),
            ("  already there", moved.duplicates),
            ("  to quarantine", moved.quarantined),
        ]
    rows += [
        ("in the table", found.whole.rows),
        ("verified", found.rows),
        ("  the ledger holds the same", found.held),
        ("  in quarantine", found.quarantined),
        ("  in neither", found.lost_count),
        ("fiscal days", len(found.days)),
        ("  whose count and sum do not agree", len(found.faulty_days)),
    ]
    _add_rows(shown, rows)
    return shown


def first_days_words(first_days: Mapping[str, datetime.date]) -> str:
    """Say which sites begin earlier than before, the earliest first."""
    days = sorted(first_days.items(), key=lambda item: (item[1], item[0]))
    named = ", ".join(f"{code} with {day}" for code, day in days[:FIRST_DAYS_SHOWN_MAX])
    more = (
        f" and {len(days) - FIRST_DAYS_SHOWN_MAX:,} more"
        if len(days) > FIRST_DAYS_SHOWN_MAX
        else ""
    )
    return f"Sites that begin earlier now: {named}{more}."


def _add_rows(shown: Table, rows: Iterable[tuple[str, int]]) -> None:
    for label, count in rows:
        shown.add_row(label, f"{count:,}")


def _counts(moved: Counts | None) -> dict[str, int]:
    if moved is None:
        return {}
    counts = dataclasses.asdict(moved)
    counts.pop("by_reason")
    return counts
