"""`manage.py export_seals FILE_OR_FOLDER`: add the seals to a series outside of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.seal_series import SeriesError, is_folder, series_add
from ledger.time_stamp import Authority, TimeStampError, series_stamp


class Command(BaseCommand):
    """Add what is new; the same again adds nothing."""

    help = (
        "Adds every seal that is not in it, and the head of the audit trail, to a file or to a "
        "folder that has a file for each day: a copy for verify_ledger --against to compare with. "
        "Fit to be run by a timer: what is there is never changed, and what a killed run left is "
        "made good. With TIME_STAMP_URL the head is stamped with the time. Exit code 1 when the "
        "copy does not fit the ledger or cannot be written, or the authority does not answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take where to."""
        parser.add_argument(
            "target",
            type=Path,
            nargs="?",
            metavar="FILE_OR_FOLDER",
            help="a name without an ending is a folder (default: SEAL_SERIES)",
        )

    def handle(self, *args: Any, target: Path | None, **options: Any) -> None:
        """Add, and say how much it was."""
        target = target or (Path(settings.SEAL_SERIES) if settings.SEAL_SERIES else None)
        if target is None:
            raise CommandError("Say where to: a file or a folder, or set SEAL_SERIES.")
        try:
            added = series_add(target)
            is_stamped = bool(settings.TIME_STAMP_URL) and series_stamp(target, _authority())
        except (SeriesError, TimeStampError) as error:
            raise CommandError(f"{error}.") from error
        seals = f"{added.seals:,} seal" + ("" if added.seals == 1 else "s")
        where = "folder" if is_folder(target) else "file"
        self.stdout.write(
            f"{seals} added to the {where} {target}; it holds the audit trail up to link "
            f"{added.head.number:,}" + (", stamped with the time." if is_stamped else ".")
        )


def _authority() -> Authority:
    return Authority(url=settings.TIME_STAMP_URL, certificates=settings.TIME_STAMP_CA)
