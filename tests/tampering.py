"""Every tampering with a row that somebody with the database's password could think of.

Tables and columns are those of the database's catalogue, so that a new one is a new case.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

from django.db import IntegrityError, connection, transaction

REMOVED, PUT_IN, SWAPPED = "(a row removed)", "(a row put in)", "(two rows swapped)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it; `length` is that of a varchar, `places` of a numeric."""

    name: str
    kind: str
    may_be_null: bool
    length: int | None
    places: int | None

    def others(self, value: Any, *, emptied: bool = False) -> list[list[Any]]:
        """Return values to put in place of this one, each with what to try where it is taken."""
        other = self._another(value)
        match other:
            case bool():
                further = []
            case int():
                further = [other + 1_000]
            case datetime.date():
                further = [other + datetime.timedelta(days=1_000)]
            case _:
                further = []
        found: list[list[Any]] = [[other, *further]]
        if emptied and self.may_be_null and value is not None:
            found.append([None])
        return found

    def _another(self, value: Any) -> Any:
        match self.kind:
            case "boolean":
                return not value
            case "smallint" | "integer" | "bigint":
                return (value or 0) + 1
            case "numeric":
                return (value or 0) + Decimal(1).scaleb(-(self.places or 0))
            case "date":
                return (value or datetime.date(2026, 1, 1)) + datetime.timedelta(days=1)
            case "timestamp with time zone":
                known = value or datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
                return known + datetime.timedelta(seconds=1)
            case "time without time zone":
                return datetime.time(23, 59) if value != datetime.time(23, 59) else datetime.time()
            case "bytea":
                return bytes(value)[:-1] + bytes([bytes(value)[-1] ^ 1]) if value else b"x"
            case "jsonb":
                return json.dumps({**value, "x": 1} if isinstance(value, dict) else {"x": 1})
            case "character varying" | "text":
                return _other_text(value or "", self.length)
        raise AssertionError(f"say here what another value of a column of {self.kind} is")


def _other_text(value: str, length: int | None) -> str:
    if length is None or len(value) < length:
        return value + "x"
    return ("y" if value[0] == "x" else "x") + value[1:]


class Table:
    """A table of the database, as the catalogue has it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def columns(self) -> list[Column]:
        return [
            Column(name, kind, null == "YES", length, places)
            for name, kind, null, length, places in _asked(
                "SELECT column_name, data_type, is_nullable, character_maximum_length,"
                " numeric_scale FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
                self.name,
            )
        ]

    @cached_property
    def key(self) -> list[str]:
        return [
            name
            for (name,) in _asked(
                "SELECT a.attname FROM pg_index i JOIN pg_attribute a"
                " ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
                " WHERE i.indrelid = %s::regclass AND i.indisprimary"
                " ORDER BY array_position(i.indkey::smallint[], a.attnum)",
                self.name,
            )
        ]

    def rows(self) -> list[Row]:
        names = [column.name for column in self.columns]
        ordered = ", ".join(self.key)
        listed = ", ".join(f'"{name}"' for name in names)
        return [
            {
                name: json.loads(value) if isinstance(value, str) and name in self._json else value
                for name, value in zip(names, row, strict=True)
            }
            for row in _asked(f"SELECT {listed} FROM {self.name} ORDER BY {ordered}")
        ]

    @cached_property
    def _json(self) -> set[str]:
        return {column.name for column in self.columns if column.kind == "jsonb"}

    def change(self, row: Row, name: str, value: Any) -> None:
        _changed(
            f'UPDATE {self.name} SET "{name}" = %s WHERE {self._where()}', value, *self._key_of(row)
        )

    def remove(self, row: Row) -> None:
        _changed(f"DELETE FROM {self.name} WHERE {self._where()}", *self._key_of(row))

    def put_in(self, row: Row, key: str) -> None:
        """Put a row in that is like another one but for a column of its key and what is unique."""
        taken = {self._key_of(one) for one in self.rows()}
        new = dict(row)
        columns = {column.name: column for column in self.columns}
        for name in self._unique - set(self.key):
            new[name] = columns[name].others(new[name])[0][-1]
        while self._key_of(new) in taken:
            new[key] = columns[key].others(new[key])[0][0]
        self._insert(new)

    def swap(self, row: Row, other: Row) -> None:
        """Let two rows change places: each has the other's columns but for the key."""
        self.remove(row)
        self.remove(other)
        for one, of in ((row, other), (other, row)):
            self._insert(of | {name: one[name] for name in self.key})

    @cached_property
    def _unique(self) -> set[str]:
        """Columns that cannot be alike in two rows, each by itself."""
        return {
            name
            for (name,) in _asked(
                "SELECT a.attname FROM pg_index i JOIN pg_attribute a"
                " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
                " WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indnatts = 1",
                self.name,
            )
        }

    def _insert(self, row: Row) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(["%s"] * len(row))
        _changed(f"INSERT INTO {self.name} ({names}) VALUES ({places})", *self._stored(row))

    def _stored(self, row: Row) -> list[Any]:
        return [
            json.dumps(value) if name in self._json and value is not None else value
            for name, value in row.items()
        ]

    def _where(self) -> str:
        return " AND ".join(f'"{name}" = %s' for name in self.key)

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)


def tamperings(
    table: Table, rows: Sequence[Row], *, columns: Collection[str], emptied: bool
) -> Iterator[tuple[str, list[Callable[[], None]]]]:
    """Yield what can be done to the first of these rows, and in which ways to try to do it.

    The others are what it may be swapped with. `columns` are those to change, `emptied` says
    whether to set them to NULL, too.
    """
    row, *others = rows
    for column in table.columns:
        if column.name in columns:
            for values in column.others(row[column.name], emptied=emptied):
                ways = [partial(table.change, row, column.name, value) for value in values]
                yield column.name, ways
    yield REMOVED, [partial(table.remove, row)]
    # What is put into another site concerns that one.
    keys = [name for name in reversed(table.key) if name != "site_id" or len(table.key) == 1]
    yield PUT_IN, [partial(table.put_in, row, name) for name in keys]
    rest = row.keys() - set(table.key)
    unlike = [other for other in others if any(row[name] != other[name] for name in rest)]
    if unlike:
        yield SWAPPED, [partial(table.swap, row, unlike[0])]


class Undone:
    """A tampering that is undone at the end; `is_refused` where a constraint does not let it in."""

    def __init__(self) -> None:
        self.is_refused = False

    def __enter__(self) -> Undone:
        self._atomic = transaction.atomic()
        # As Django's TestCase marks its own, within which a durable transaction may begin.
        self._atomic._from_testcase = True  # type: ignore[attr-defined]
        self._atomic.__enter__()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> bool:
        self.is_refused = kind is not None and issubclass(kind, IntegrityError)
        if kind is None:
            transaction.set_rollback(True)
        self._atomic.__exit__(kind, error, trace)
        return self.is_refused


def _asked(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _changed(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount == 1, f"{cursor.rowcount} rows are tampered with"
