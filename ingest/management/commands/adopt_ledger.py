"""`manage.py adopt_ledger TABLE`: move a table with a surrogate key into the ledger."""

from __future__ import annotations

import asyncio
from argparse import ArgumentTypeError
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingest.adoption import (
    FAULTS_SHOWN_MAX,
    Adoption,
    AdoptionError,
    Source,
    Verification,
)
from ingest.database import prepared_connection
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record


def pair_from(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


class Command(BaseCommand):
    """Move, verify, and say what became of the rows."""

    help = (
        "Moves the entries of a table or view of the same database into the ledger: each row as "
        "one entry, judged like a message. What cannot be an entry goes to quarantine with the "
        "reason. May be stopped and run again at any time; nothing is lost or doubled. Verifies "
        "count and sum of each day afterwards; the old table stays as it is. A table of another "
        "database can be reached by a foreign table (postgres_fdw), one of another shape by a view."
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
                "the column of a field, if it has another name: key (default: id), site (the "
                "site's code), fiscal_day, sequence, kind, occurred_at, product, amount, volume, "
                "..."
            ),
        )
        parser.add_argument(
            "--constant",
            type=pair_from,
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="one value of a field for all rows, such as kind=sale",
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
        )
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        try:
            moved, found = asyncio.run(_adopt(console, source, moves=not options["verify"]))
        except AdoptionError as error:
            raise CommandError(str(error)) from error
        except psycopg.OperationalError as error:
            raise CommandError(
                f"The database does not answer: {error}. Run it again to go on."
            ) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped. Run it again to go on where it was.") from None
        with transaction.atomic():
            audit_record(
                action="ledger.adopted",
                actor="adopt_ledger",
                subject=source.table,
                detail={"moved": moved, "verified": found.is_clean, "days": len(found.days)},
            )
            changes_announce(site_ids=[])
        console.print(account_table(moved, found))
        if not found.is_clean:
            raise CommandError(_what_is_wrong(found))


async def _adopt(
    console: Console, source: Source, *, moves: bool
) -> tuple[dict[str, int], Verification]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    async with prepared_connection(application_name="adopt_ledger") as connection:
        adoption = Adoption(connection, source)
        async with adoption.alone():
            waiting = await adoption.prepare()
            with Progress(*columns, console=console) as progress:
                moved: dict[str, int] = {}
                if moves:
                    moving = progress.add_task("Moving", total=waiting)
                    moved = await adoption.move(lambda rows: progress.advance(moving, rows))
                verifying = progress.add_task("Verifying", total=await adoption.moved_count())
                found = await adoption.verify(lambda rows: progress.advance(verifying, rows))
    return moved, found


def account_table(moved: dict[str, int], found: Verification) -> Table:
    """What this run moved, and where all rows are now."""
    table = Table("Rows", title="Moved into the ledger", title_justify="left")
    table.add_column("", justify="right")
    for label, name in (
        ("read in this run", "rows"),
        ("  new entries", "stored"),
        ("  already there", "duplicates"),
        ("  to quarantine", "quarantined"),
    ):
        if name in moved:
            table.add_row(label, f"{moved[name]:,}")
    table.add_row("verified", f"{found.rows:,}")
    table.add_row("  the ledger holds the same", f"{found.held:,}")
    table.add_row("  in quarantine", f"{found.quarantined:,}")
    table.add_row("  in neither", f"{found.lost_count:,}")
    table.add_row("fiscal days", f"{len(found.days):,}")
    table.add_row("  whose count and sum do not agree", f"{len(found.faulty_days):,}")
    return table


def _what_is_wrong(found: Verification) -> str:
    parts = []
    if found.lost_count:
        keys = ", ".join(map(str, found.lost))
        more = " and more" if found.lost_count > len(found.lost) else ""
        parts.append(
            f"{found.lost_count} rows are neither in the ledger nor in quarantine: {keys}{more}."
        )
    if days := found.faulty_days:
        named = ", ".join(f"{code} {day}" for code, day in days[:FAULTS_SHOWN_MAX])
        more = " and more" if len(days) > FAULTS_SHOWN_MAX else ""
        parts.append(f"{len(days)} days do not agree: {named}{more}.")
    return " ".join(parts)
