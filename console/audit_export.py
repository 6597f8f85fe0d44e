"""The audit export: all that the ledger holds of a period, as one zip archive with checksums.

It is written in constant memory: PostgreSQL copies each table out row by row, in the order of its
key, and what leaves is compressed on the way. All tables are of one moment. `SHA256SUMS` says what
`sha256sum -c` needs to check the files, `manifest.json` the same with the number of rows, who asked
and when.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import zipfile
from collections.abc import Collection
from typing import IO, Any, Protocol, cast

import psycopg
from psycopg import sql

#: Light compression: the archive is to come as fast as it is read.
COMPRESSION_LEVEL = 3

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
) -> None:
    """Write the archive of a period of fiscal days, both ends included; None: without a limit.

    `connection` is in a transaction that sees one moment. `site_ids` of None means all sites. A
    correction is in it with the day that it corrects and with the day that it is posted to.
    """
    files: list[dict[str, Any]] = []
    period = (first or datetime.date.min, last or datetime.date.max)
    made_at = datetime.datetime.now(datetime.UTC)
    # A zip file that is not looked back into needs no more of its outlet than the two.
    archive_file = cast("IO[bytes]", outlet)
    with zipfile.ZipFile(
        archive_file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL
    ) as archive:
        for table, column in TABLES.items():
            question = _question(connection, table, column, site_ids, period)
            digest, size = hashlib.sha256(), 0
            name = f"{table}.csv"
            with archive.open(name, "w", force_zip64=True) as file, connection.cursor() as cursor:
                with cursor.copy(question) as copy:
                    for block in copy:
                        data = bytes(block)
                        digest.update(data)
                        size += len(data)
                        file.write(data)
                rows = cursor.rowcount
            files.append({"file": name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()})
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
