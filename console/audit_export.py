"""The audit export: all that the ledger holds of a period, as one zip archive with checksums.

It is streamed in constant memory: PostgreSQL copies each table out row by row, in the order of its
key, and what leaves is compressed on the way. All tables are of one moment. `SHA256SUMS` says what
`sha256sum -c` needs to check the files, `manifest.json` the same with the number of rows, who asked
and when.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import zipfile
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any

import psycopg
from django.db import connection as django_connection
from psycopg import sql

#: What is sent in one piece; a little more, as it falls out of the compressor.
PIECE_BYTES = 256 * 1024
#: Light compression: the archive is to come as fast as it is read.
COMPRESSION_LEVEL = 3

_END = object()
#: Table to the column that a period narrows it by, None for all of a site's rows.
TABLES: dict[str, str | None] = {
    "site": None,
    "product": None,
    "fuelling_point": None,
    "nozzle": None,
    "tank": None,
    "fiscal_day": "fiscal_day",
    "entry": "fiscal_day",
    "correction": "fiscal_day",
    "correction_posting": "fiscal_day",
    "day_total": "fiscal_day",
    "payment_total": "fiscal_day",
    "hour_total": "fiscal_day",
    "declared_total": "fiscal_day",
    "totalizer": "fiscal_day",
    "dip": "fiscal_day",
    "delivery": "at",
    "day_seal": "fiscal_day",
    "explanation": "fiscal_day",
    "audit_event": "fiscal_day",
}


class _Outlet:
    """A file that is written only and never looked back into; what was written is taken out."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.waiting = 0
        self._position = 0

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        self.waiting += len(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing has to be given back."""

    def take(self) -> bytes:
        """Return what has been written since."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.waiting = 0
        return taken


def audit_archive(
    *,
    site_ids: Collection[int] | None,
    first: datetime.date | None,
    last: datetime.date | None,
    asked_by: str,
) -> Iterator[bytes]:
    """Yield the archive of a period of fiscal days, both ends included; None: without a limit.

    `site_ids` of None means all sites. A correction is in it with the day that it corrects and
    with the day that it is posted to.
    """
    outlet = _Outlet()
    files: list[dict[str, Any]] = []
    period = (first or datetime.date.min, last or datetime.date.max)
    with (
        _own_connection() as connection,
        zipfile.ZipFile(
            outlet,
            "w",
            zipfile.ZIP_DEFLATED,
            compresslevel=COMPRESSION_LEVEL,
        ) as archive,
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            made_at = datetime.datetime.now(datetime.UTC)
            for table, column in TABLES.items():
                question = _question(connection, table, column, site_ids, period)
                digest, size, rows = hashlib.sha256(), 0, 0
                name = f"{table}.csv"
                with (
                    archive.open(name, "w", force_zip64=True) as file,
                    connection.cursor() as cursor,
                ):
                    with cursor.copy(question) as copy:
                        for block in copy:
                            data = bytes(block)
                            digest.update(data)
                            size += len(data)
                            file.write(data)
                            if outlet.waiting >= PIECE_BYTES:
                                yield outlet.take()
                    rows = cursor.rowcount
                files.append(
                    {"file": name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}
                )
        sums = "".join(f"{one['sha256']}  {one['file']}\n" for one in files)
        archive.writestr("SHA256SUMS", sums)
        manifest = {
            "made_at": made_at.isoformat(),
            "asked_by": asked_by,
            "first_fiscal_day": first and first.isoformat(),
            "last_fiscal_day": last and last.isoformat(),
            "all_sites": site_ids is None,
            "files": files,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
    yield outlet.take()


def _own_connection() -> psycopg.Connection[Any]:
    """Open a connection for one export: it may last, and must not hold one of the pages' up."""
    parameters: dict[str, Any] = django_connection.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters | {"application_name": "console export"})


def _question(
    connection: psycopg.Connection[Any],
    table: str,
    column: str | None,
    site_ids: Collection[int] | None,
    period: tuple[datetime.date, datetime.date],
) -> sql.Composed:
    """Return the COPY of a table: the site's code before all of its columns, in key order."""
    is_site = table == "site"
    of_site = sql.Identifier("t", "id" if is_site else "site_id")
    conditions: list[sql.Composable] = []
    if site_ids is not None:
        conditions.append(sql.SQL("{} = ANY({})").format(of_site, sql.Literal(list(site_ids))))
    if column == "at":
        # A delivery belongs to days by its time until its day is sealed; the days around the period
        # are in it too.
        day = datetime.timedelta(days=1)
        start = max(period[0], datetime.date.min + day) - day
        end = min(period[1], datetime.date.max - 2 * day) + 2 * day
        around = sql.SQL("t.at >= {} AND t.at < {}").format(sql.Literal(start), sql.Literal(end))
        sealed = sql.SQL("t.fiscal_day BETWEEN {} AND {}").format(*map(sql.Literal, period))
        conditions.append(sql.SQL("({} OR {})").format(around, sealed))
    elif column is not None:
        within = sql.SQL("t.fiscal_day BETWEEN {} AND {}").format(*map(sql.Literal, period))
        if table in {"correction", "correction_posting"}:
            posted = sql.SQL("t.posted_to BETWEEN {} AND {}").format(*map(sql.Literal, period))
            within = sql.SQL("({} OR {})").format(within, posted)
        conditions.append(within)
    where = sql.SQL(" WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("")
    key = connection.execute(
        "SELECT string_agg(format('t.%%I', attname), ', ' ORDER BY place) "
        "FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, place) "
        "JOIN pg_attribute ON attnum = part.number "
        "WHERE indisprimary AND indrelid = %s::regclass AND attrelid = indrelid",
        [table],
    ).fetchone()
    assert key is not None
    source = sql.SQL("{} AS t").format(sql.Identifier(table))
    if is_site:
        chosen: sql.Composable = sql.SQL("t.*")
    else:
        chosen = sql.SQL("site.code AS site, t.*")
        source = sql.SQL("{} LEFT JOIN site ON site.id = t.site_id").format(source)
    return sql.SQL("COPY (SELECT {} FROM {}{} ORDER BY {}) TO STDOUT (FORMAT csv, HEADER)").format(
        chosen, source, where, sql.SQL(key[0])
    )


async def in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield from an iterator that blocks, each piece made in a thread; close it in the end."""
    loop = asyncio.get_running_loop()
    try:
        while (piece := await loop.run_in_executor(None, next, pieces, _END)) is not _END:
            assert isinstance(piece, bytes)
            yield piece
    finally:
        # A reader who goes away ends the query too.
        await loop.run_in_executor(None, pieces.close)  # type: ignore[attr-defined]
