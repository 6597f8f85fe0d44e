"""Verifying rows against the records that were made of them as they were written.

It is for what no sum and no seal speaks of (`ledger/sql/row_records.sql`). A row that was put in,
changed or removed past the triggers is unlike its newest record; a record that was is unlike its
digest, or missing in its chain.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

from ledger.faults import Fault
from ledger.models import Site
from ledger.sql import statement

_SITES = statement("verify_sites")
_OF_SITE = {True: "r.site_id = %(site_id)s", False: "r.site_id IS NULL"}
_ROWS, _CHAINS = (
    {is_of_one: statement(name).replace("{of_site}", of_site) for is_of_one, of_site in
     _OF_SITE.items()}
    for name in ("verify_records", "verify_record_chains")
)  # fmt: skip


def records_verify(
    site: Site | None, *, first: datetime.date | None, last: datetime.date | None
) -> Iterator[Fault]:
    """Yield what is not as it was recorded: of a site, or with None of what belongs to none.

    What has a fiscal day is looked at from `first` to `last`, all else always.
    """
    asked = {
        "site_id": site.pk if site else None,
        "first": first or datetime.date.min,
        "last": last or datetime.date.max,
    }
    code = site.code if site else ""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS[site is not None], asked)
        for table, key, fiscal_day, held, recorded in cursor:
            if what := _difference(table, key, held, recorded):
                yield Fault(site=code, fiscal_day=fiscal_day, what=what)
        cursor.execute(_CHAINS[site is not None], asked)
        for table, key, fiscal_day, number in cursor:
            what = f"record {number} of {_name(table, key)} does not follow from the one before"
            yield Fault(site=code, fiscal_day=fiscal_day, what=what)


def sites_verify() -> Iterator[Fault]:
    """Yield which sites are gone or were put in past the ledger, whichever are asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_SITES, {})
        for code, what in cursor:
            yield Fault(site=code or "", what=what)


def _difference(table: str, key: str, held: str | None, recorded: str | None) -> str:
    row = _name(table, key)
    if held is None:
        return f"{row} is gone"
    if recorded is None:
        return f"{row} was never recorded as put in"
    was, there = json.loads(recorded), json.loads(held)
    if not isinstance(was, dict):
        return f"the record of {row} holds no columns"
    differing = _differing(was, there)
    return f"{row} is not as it was recorded: {', '.join(differing)}" if differing else ""


def _differing(recorded: dict[str, Any], held: dict[str, Any]) -> list[str]:
    """Return the columns that differ, of a record of many rows those rows and their columns."""
    found = []
    for name in sorted({*recorded, *held}):
        was, there = recorded.get(name), held.get(name)
        if isinstance(was, dict) and isinstance(there, dict):
            found += [f"{_words(name)} {column}" for column in _differing(was, there)]
        elif isinstance(was, dict):
            found.append(f"{_words(name)} is gone")
        elif isinstance(there, dict):
            found.append(f"{_words(name)} was put in")
        # A column that is newer than the record is not in it.
        elif name in recorded and was != there:
            found.append(name)
    return found


def _name(table: str, key: str) -> str:
    return f"{table} {_words(key)}"


def _words(key: str) -> str:
    try:
        return "/".join(map(str, json.loads(key)))
    except (ValueError, TypeError):
        # Somebody changed the key itself.
        return key
