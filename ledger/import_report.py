"""What reading a recorded file met: lines that could not be used, figures that were rounded.

One report for every importer. A file of ten million bad lines costs as little memory as one of
ten: the first lines are named with their reasons, the rest are counted by reason. Rounding is half
away from zero to the places of the ledger's column, and told with how much it moved.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path

#: How many lines are named with what is wrong about them.
LINES_NAMED_MAX = 20
#: How many reasons are counted apart; of a reason that quotes a value there may be many.
REASONS_MAX = 20
#: How much of a reason is shown, which may quote what was refused.
REASON_CHARS_MAX = 120
#: Enough digits for any figure of a file and the sum of what rounding moved.
_EXACT = Context(prec=100)
#: What a reason quotes, so that it is counted with its like.
_VALUES = re.compile(r"'[^']*'|-?[0-9][0-9.]*")


class UnusableFileError(Exception):
    """A file that cannot be imported as asked. The message names the file, line and reason."""


@dataclass(frozen=True, slots=True)
class UnusableLine:
    """A line that was left out, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass(slots=True)
class Rounding:
    """How many figures of a column were rounded, and what that came to: rounded less exact."""

    count: int = 0
    moved: Decimal = Decimal(0)
    largest: Decimal = Decimal(0)


@dataclass(slots=True)
class ImportReport:
    """What was met; `is_strict` refuses the first line or figure that is not right as it is."""

    is_strict: bool = False
    unusable: list[UnusableLine] = field(default_factory=list)
    unusable_count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    #: By the column and its unit: amounts of different currencies are never added.
    roundings: dict[tuple[str, str], Rounding] = field(default_factory=dict)
    #: Lines without an id of their own, which go by their line numbers.
    numbered: int = 0

    def leave_out(self, file: Path, line: int, reason: str) -> UnusableLine:
        """Note a line that cannot be used, and return it; UnusableFileError when strict."""
        found = UnusableLine(str(file), line, reason[:REASON_CHARS_MAX])
        if self.is_strict:
            raise UnusableFileError(str(found))
        self.unusable_count += 1
        if len(self.unusable) < LINES_NAMED_MAX:
            self.unusable.append(found)
        kind = _VALUES.sub("…", reason)[:REASON_CHARS_MAX]
        self.reasons[kind if kind in self.reasons or len(self.reasons) < REASONS_MAX else ""] += 1
        return found

    def rounded(self, number: Decimal, quantum: Decimal, *, column: str, unit: str) -> Decimal:
        """Return a number with a column's places, half away from zero, and note if that moves it.

        ValueError for one that would move when strict.
        """
        found = number.quantize(quantum, ROUND_HALF_UP, _EXACT)
        if found != number:
            if self.is_strict:
                raise ValueError(f"{number} has more places than {quantum}")
            rounding = self.roundings.setdefault((column, unit), Rounding())
            moved = _EXACT.subtract(found, number)
            rounding.count += 1
            rounding.moved = _EXACT.add(rounding.moved, moved)
            rounding.largest = max(rounding.largest, abs(moved))
        return found

    def sentences(self) -> Iterator[str]:
        """Yield what people are to know, in a bounded number of lines; none where all was right."""
        for (column, unit), rounding in sorted(self.roundings.items()):
            yield (
                f"{column}: {rounding.count:,} figures were rounded half away from zero; together "
                f"that moved them by {rounding.moved:+f} {unit}, none by more than "
                f"{rounding.largest:f} {unit}."
            )
        if self.numbered:
            yield f"{self.numbered:,} lines have no id of their own and go by their line numbers."
        if not self.unusable_count:
            return
        yield f"{self.unusable_count:,} lines could not be used:"
        for one in self.unusable:
            yield f"  {one}"
        rest = self.unusable_count - len(self.unusable)
        if rest:
            yield f"  and {rest:,} more. By reason:"
            for kind, count in self.reasons.most_common():
                yield f"  {count:,} x {kind or 'other reasons'}"


def readable_rows(
    path: Path,
    reader: csv.DictReader[str],
    report: ImportReport,
    *,
    on_unusable: Callable[[UnusableLine], object] = lambda _line: None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with their lines; those that cannot be read are reported.

    The file is open in UTF-8 with the error handler `surrogateescape`, so that one bad byte costs
    its row and not the file. `on_unusable` hears of each row that cannot be read.
    """
    lines = reader.reader  # csv.DictReader's own line number stands still at an error
    while True:
        before = lines.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quotation mark that is never closed takes whole lines with it.
            with_it = lines.line_num - before - 1
            more = f", with it the {with_it} lines before it" if with_it > 0 else ""
            on_unusable(report.leave_out(path, lines.line_num, f"no readable CSV: {error}{more}"))
            continue
        if None in row.values() or None in row:
            on_unusable(report.leave_out(path, reader.line_num, "wrong number of columns"))
        elif wrong := next((name for name, text in row.items() if not is_utf8(text)), None):
            on_unusable(report.leave_out(path, reader.line_num, f"{wrong} is not UTF-8"))
        else:
            yield reader.line_num, row


def is_utf8(text: str) -> bool:
    """Tell whether a text came of bytes that are UTF-8: the others are half surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
