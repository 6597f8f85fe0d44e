"""The audit export: all that the ledger holds of a period, as one zip archive that explains itself.

It is written in constant memory: PostgreSQL copies each table out row by row, in the order of its
key, and what leaves is compressed on the way. All tables are of one moment, all times of UTC.
`README.md` in the archive says how it hangs together, `datapackage.json` what each column holds,
and `verify.py` makes every figure again (`console.archive`). `manifest.json` says who asked for
what and when, `SHA256SUMS` what `sha256sum -c` needs to check the files.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast
from zoneinfo import ZoneInfo

import psycopg

from console.archive import datapackage
from console.archive.tables import MADE, TABLES, Table
from ledger import signing
from ledger.hours import offset_changes
from ledger.sql import statement

#: Light compression: the archive is to come as fast as it is read.
COMPRESSION_LEVEL = 3
#: The version of the archive's form, which its README describes.
VERSION = 2
#: Files that are in every archive as they lie here.
VERBATIM = ("README.md", "verify.py")
_FOLDER = Path(__file__).parent / "archive"
_SCOPE = statement("archive_scope")
_Z_FIGURES = statement("archive_z_figures")
#: What is read and hashed at a time of what is not copied out of PostgreSQL.
_ROWS_AT_ONCE = 1_000
_ONE_DAY = datetime.timedelta(days=1)

#: Whatever the server, the database, the role or the connection is set to.
_SESSION = (
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle ="
    " 'postgres'; SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8'"
)
_TIMES = """
SELECT site.timezone, min(t.oldest), max(t.newest)
FROM (
    SELECT site_id, min(occurred_at) AS oldest, max(occurred_at) AS newest
    FROM entry AS t WHERE {entries} GROUP BY 1
    UNION ALL
    SELECT site_id, occurred_at, occurred_at FROM correction AS t WHERE {corrected}
    UNION ALL
    SELECT site_id, occurred_at, occurred_at FROM entry AS t WHERE {corrected}
) AS t
JOIN site ON site.id = t.site_id
GROUP BY 1
ORDER BY site.timezone COLLATE "C"
"""


class Outlet(Protocol):
    """Where the archive is written to, from its beginning to its end and never back."""

    def write(self, data: bytes, /) -> int:
        """Take all of the data."""
        ...

    def flush(self) -> None:
        """Hold nothing back that others wait for."""


def write_audit_archive(
    connection: psycopg.Connection[Any],
    outlet: Outlet,
    *,
    site_ids: Collection[int] | None,
    first: datetime.date | None,
    last: datetime.date | None,
    asked_by: str,
    with_network: bool = True,
) -> None:
    """Write the archive of a period of fiscal days, both ends included; None: without a limit.

    `connection` is in a transaction that sees one moment. `site_ids` of None means all sites;
    `with_network` says whether what belongs to no site is in it too: people, imports, the ingest.
    """
    connection.execute(_SESSION)
    parameters = {
        "site_ids": None if site_ids is None else list(site_ids),
        "first": first or datetime.date.min,
        "last": last or datetime.date.max,
        "with_network": with_network,
    }
    made_at = datetime.datetime.now(datetime.UTC)
    # A zip file that is not looked back into needs no more of its outlet than the two.
    archive_file = cast("IO[bytes]", outlet)
    with zipfile.ZipFile(
        archive_file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL
    ) as archive:
        writer = _Writer(archive)
        for table in TABLES:
            writer.copy(f"{table.name}.csv", connection, _question(table), parameters)
        writer.copy("z_figure.csv", connection, _z_figure_question(), parameters)
        writer.rows("clock", _clock(connection, parameters))
        writer.rows("public_key", _public_keys())
        writer.rows("code_list", datapackage.code_rows())
        manifest = {
            "version": VERSION,
            "made_at": made_at.isoformat(),
            "asked_by": asked_by,
            "first_fiscal_day": first and first.isoformat(),
            "last_fiscal_day": last and last.isoformat(),
            "all_sites": site_ids is None,
            "with_network": with_network,
            "files": [{"file": name, **known} for name, known in writer.files.items()],
        }
        writer.text("manifest.json", json.dumps(manifest, indent=1))
        package = datapackage.package(writer.files, created=made_at.isoformat())
        writer.text("datapackage.json", json.dumps(package, indent=1, ensure_ascii=False))
        for name in VERBATIM:
            writer.text(name, (_FOLDER / name).read_text(encoding="utf-8"))
        writer.sums()


class _Writer:
    """Writes files into an archive one after the other, and remembers what they were."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        #: Rows, bytes and SHA-256 of each file of rows.
        self.files: dict[str, dict[str, Any]] = {}
        self._sums: list[str] = []

    def copy(
        self,
        name: str,
        connection: psycopg.Connection[Any],
        question: str,
        parameters: dict[str, Any],
    ) -> None:
        """Write what a COPY of PostgreSQL says."""
        with connection.cursor() as cursor:

            def blocks() -> Iterator[bytes]:
                # Composed as text: parts of it are made of the models' columns.
                with cursor.copy(question.encode(), parameters) as copy:
                    for block in copy:
                        yield bytes(block)

            size, digest = self._write(name, blocks())
            rows = cursor.rowcount
        self.files[name] = {"rows": rows, "bytes": size, "sha256": digest}

    def rows(self, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write rows of a file that is made here, none of whose values is NULL."""
        (made,) = [one for one in MADE if one.name == name]
        count = 0

        def blocks() -> Iterator[bytes]:
            nonlocal count
            buffer = io.StringIO(newline="")
            writer = csv.writer(buffer, lineterminator="\n")
            writer.writerow(made.columns)
            for row in rows:
                count += 1
                writer.writerow(row)
                if count % _ROWS_AT_ONCE == 0:
                    yield _emptied(buffer)
            yield _emptied(buffer)

        size, digest = self._write(f"{name}.csv", blocks())
        self.files[f"{name}.csv"] = {"rows": count, "bytes": size, "sha256": digest}

    def text(self, name: str, text: str) -> None:
        """Write a text."""
        self._write(name, [text.encode()])

    def sums(self) -> None:
        """Write the checksums of all that was written."""
        self._archive.writestr("SHA256SUMS", "".join(self._sums))

    def _write(self, name: str, blocks: Iterable[bytes]) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        with self._archive.open(name, "w", force_zip64=True) as file:
            for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
        self._sums.append(f"{digest.hexdigest()}  {name}\n")
        return size, digest.hexdigest()


def _emptied(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _question(table: Table) -> str:
    """Return the COPY of a table, in the order of its key."""
    model = table.model._meta  # noqa: SLF001 Django's documented Meta API
    columns = datapackage.columns_of(table)
    chosen = ", ".join(f'{column.expression} AS "{column.name}"' for column in columns)
    source = f'"{model.db_table}" AS t'
    if any(column.name == "site" for column in columns):
        source += " LEFT JOIN site ON site.id = t.site_id"
    order = ", ".join(
        f't."{name}"' + (' COLLATE "C"' if model.get_field(name).get_internal_type() == "CharField"
                         else "")
        for name in datapackage.key_of(table)
    )  # fmt: skip
    parts = [_SCOPE, "SELECT", chosen, "FROM", source, "WHERE", table.where, "ORDER BY", order]
    return _copied(" ".join(parts))


def _z_figure_question() -> str:
    return _copied(_SCOPE + _Z_FIGURES)


def _copied(question: str) -> str:
    return f"COPY ({question}) TO STDOUT (FORMAT csv, HEADER, NULL '{datapackage.NULL}')"


def _clock(
    connection: psycopg.Connection[Any], parameters: dict[str, Any]
) -> Iterator[tuple[str, str, int]]:
    """Yield from when on which clock was how far ahead of UTC, as far as entries state times."""
    where = {table.name: table.where for table in TABLES}
    question = _SCOPE + _TIMES.format(entries=where["entry"], corrected=where["correction"])
    # Composed as the other questions are.
    for name, oldest, newest in connection.execute(question.encode(), parameters).fetchall():
        first = oldest.astimezone(datetime.UTC).replace(microsecond=0)
        for at, ahead in offset_changes(ZoneInfo(name), first, newest):
            written = at.replace(tzinfo=None).isoformat(" ", "seconds")
            yield name, f"{written}+00", int(ahead.total_seconds())


def _public_keys() -> Iterator[tuple[str, str]]:
    for name, key in sorted(signing.public_keys().items()):
        yield name, key.hex()
