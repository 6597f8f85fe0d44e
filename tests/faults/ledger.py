"""The ledger held against what was published, and its totals against its entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
import pytest

from tests.faults.traffic import COLUMNS, Row, row

#: How many differing entries a failure shows.
SHOWN_MAX = 5

_ENTRIES = f"""
    SELECT code, {", ".join(f"entry.{name}" for name in COLUMNS)}
    FROM entry JOIN site ON site.id = entry.site_id WHERE code = ANY (%s)
"""

#: Each pair must give the same rows: what the worker added up, and the same from the entries.
_SUMS = {
    "day_total": (
        """
        SELECT site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax
        FROM day_total
        """,
        """
        SELECT site_id, fiscal_day, product, kind, coalesce(tax_rate, -1), count(*),
            sum(coalesce(volume, 0)), sum(amount),
            sum(coalesce(round(amount * tax_rate / (100 + tax_rate), 2), 0))
        FROM entry GROUP BY 1, 2, 3, 4, 5
        """,
    ),
    "payment_total": (
        "SELECT site_id, fiscal_day, payment, kind, count, volume, amount FROM payment_total",
        """
        SELECT site_id, fiscal_day, coalesce(payment, 0), kind, count(*), sum(coalesce(volume, 0)),
            sum(amount)
        FROM entry GROUP BY 1, 2, 3, 4
        """,
    ),
    "hour_total": (
        "SELECT site_id, fiscal_day, hour, count, volume, amount FROM hour_total",
        """
        SELECT site_id, fiscal_day, extract(hour FROM occurred_at AT TIME ZONE timezone)::integer,
            count(*), sum(coalesce(volume, 0)), sum(amount)
        FROM entry JOIN site ON site.id = site_id WHERE kind IN (1, 2) GROUP BY 1, 2, 3
        """,
    ),
    "fiscal_day": (
        "SELECT site_id, fiscal_day, entry_count, highest_sequence, last_entry_at FROM fiscal_day",
        """
        SELECT site_id, fiscal_day, count(*), max(sequence),
            max(least(occurred_at, received_at))
        FROM entry GROUP BY 1, 2
        """,
    ),
    "nozzle_state": (
        """
        SELECT site_id, fuelling_point, nozzle, fiscal_day, sequence, occurred_at, product, volume,
            amount, totalizer
        FROM nozzle_state
        """,
        """
        SELECT DISTINCT ON (site_id, fuelling_point, nozzle) site_id, fuelling_point, nozzle,
            fiscal_day, sequence, least(occurred_at, received_at), product, volume, amount,
            totalizer
        FROM entry WHERE nozzle IS NOT NULL
        ORDER BY site_id, fuelling_point, nozzle, fiscal_day DESC, sequence DESC
        """,
    ),
}


def assert_ledger_is(
    connection: psycopg.Connection[Any],
    published: Iterable[tuple[str, dict[str, Any]]],
    sites: Sequence[str],
    *,
    with_flags: bool = True,
) -> None:
    """Hold all entries of some sites against what they published, and every total against entries.

    Column by column: nothing may be lost, doubled, changed or invented; and nothing of it may be
    in quarantine. No entry is flagged, unless the caller knows better.
    """
    # One snapshot, so that entries and totals are of the same moment whoever is still writing.
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        entries = _ENTRIES if with_flags else _ENTRIES.replace("entry.flags", "0")
        held = _rows(connection, entries, [list(sites)])
        _assert_same("entry", held, Counter(row(*pair) for pair in published))
        for table, (kept, recomputed) in _SUMS.items():
            _assert_same(table, _rows(connection, kept), _rows(connection, recomputed))
        assert not _rows(
            connection, "SELECT topic, reason, detail FROM quarantine WHERE outcome = 'waiting'"
        )


def _rows(
    connection: psycopg.Connection[Any], question: str, parameters: list[Any] | None = None
) -> Counter[Row]:
    return Counter(connection.execute(question, parameters))  # type: ignore[call-overload]


def _assert_same(table: str, held: Counter[Row], expected: Counter[Row]) -> None:
    missing, surplus = expected - held, held - expected
    if missing or surplus:
        pytest.fail(
            f"{table}: {missing.total()} rows missing, {surplus.total()} too many\n"
            f"missing: {list(missing)[:SHOWN_MAX]}\ntoo many: {list(surplus)[:SHOWN_MAX]}"
        )
