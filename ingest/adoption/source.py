"""The old table: its columns, its key, and the statements that read it.

The key is what tells its rows apart: one column or several, of any type that can be ordered. Rows
are taken in its order, each piece from where the last one ended, so a key that repeats or is NULL
would lose rows: such a table is refused before its first row.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql

from ingest import contract
from ingest.decode import MEASURES
from ingest.sql import load
from ledger.plausible import FIRST_DAY_MIN

if TYPE_CHECKING:
    from collections.abc import Mapping

Connection = psycopg.AsyncConnection[Any]
#: A row's key as PostgreSQL writes its columns.
Key = list[str]

_ROWS = load("adopt_rows")
_COLUMNS = load("adopt_columns")
_KEY_FAULTS = load("adopt_key_faults")
_ACCOUNT = load("adopt_account")

#: What a table may say of an entry: the contract's own names.
_FIELDS = msgspec.structs.fields(contract.LedgerEntry)
FIELDS = tuple(one.name for one in _FIELDS)
REQUIRED_FIELDS = tuple(one.name for one in _FIELDS if one.required)
#: Decimal places of the fields that have any.
_PLACES = {
    name: -int(measure.quantum.as_tuple().exponent)
    for name, measure in MEASURES[contract.LedgerEntry].items()
}
#: A key becomes part of each row's message, as hexadecimal digits where it is no plain text.
KEY_CHARS_MAX = 1_000
#: Types whose values never hold anything but plain characters.
_PLAIN_TYPES = frozenset({"smallint", "integer", "bigint", "uuid", "date", "numeric"})
_PLAIN = "^[A-Za-z0-9_.:+ -]+$"


class AdoptionError(Exception):
    """The table cannot be moved, or was not moved whole; says why in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The old table or view, and which of its columns says what.

    `columns` maps `key` (one column, or several with commas between), `site` (the site's code) and
    the contract's fields to columns, where those have other names; `constants` gives a field or
    the site one value for all rows.
    """

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    #: Rows of older fiscal days are not wanted: they come from a broken clock.
    first_day: datetime.date = FIRST_DAY_MIN

    @property
    def key_columns(self) -> list[str]:
        """The columns of the key."""
        return [name.strip() for name in self.columns.get("key", "id").split(",")]

    def column(self, name: str) -> str:
        """Return the column of a field or of the site."""
        return self.columns.get(name, name)

    @property
    def mapping(self) -> dict[str, dict[str, str]]:
        """Columns and constants, as a move remembers them."""
        return {"columns": dict(self.columns), "constants": dict(self.constants)}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; `category` is PostgreSQL's, N for numbers."""

    type: str
    category: str
    is_primary: bool


@dataclass(slots=True)
class Piece:
    """Rows that are moved, verified or looked at together, in the order of their keys."""

    keys: list[Key]
    #: Topic and payload.
    messages: list[tuple[bytes, bytes]]
    #: None where a row says none, or none that can be added up.
    amounts: list[Any]


@dataclass(frozen=True, slots=True)
class Rounding:
    """A field's values that have more places than the ledger: how many, and what rounding adds."""

    field: str
    places: int
    count: int
    added: Any


@dataclass(frozen=True, slots=True)
class Account:
    """The old table as a whole: how many rows up to a key, their amounts' sum, and rows behind."""

    rows: int
    amount: Any
    behind: int


class OldTable:
    """A source that was found to be readable, and the statements for it."""

    def __init__(self, source: Source, columns: Mapping[str, Column]) -> None:
        self.source = source
        self.columns = columns
        self._identifier = sql.Identifier(*source.table.split("."))
        self._keys = [sql.SQL("old.{}").format(sql.Identifier(name)) for name in source.key_columns]

    @classmethod
    async def open(cls, connection: Connection, source: Source) -> OldTable:
        """Find the table and its columns. AdoptionError where they do not say enough."""
        identifier = sql.Identifier(*source.table.split("."))
        try:
            cursor = await connection.execute(_COLUMNS, [identifier.as_string(connection)])
            rows = await cursor.fetchall()
        except psycopg.Error as error:
            raise AdoptionError(f"{source.table} cannot be read: {error}") from error
        columns = {name: Column(*rest) for name, *rest in rows}
        _check_names(source, columns)
        return cls(source, columns)

    async def check_key(self, connection: Connection) -> None:
        """AdoptionError where the key cannot tell all rows apart."""
        names = ", ".join(self.source.key_columns)
        primary = {name for name, column in self.columns.items() if column.is_primary}
        if primary and primary <= set(self.source.key_columns):
            return
        statement = sql.SQL(_KEY_FAULTS).format(
            table=self._identifier,
            key_name=self._key_name,
            keys=sql.SQL(", ").join(self._keys),
            is_null=sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(one) for one in self._keys),
        )
        try:
            cursor = await connection.execute(statement)
        except psycopg.Error as error:
            raise AdoptionError(f"{names} cannot be a key: {error}") from error
        row = await cursor.fetchone()
        assert row is not None
        nulls, longest, repeated, *examples = row
        advice = "Name a column, or several with commas between, that tell all rows apart: "
        advice += "--column key=A,B"
        if nulls:
            raise AdoptionError(f"{nulls:,} rows have no {names}. {advice}")
        if repeated:
            named = " and ".join(dict.fromkeys(examples))
            raise AdoptionError(
                f"{repeated:,} rows share their {names} with another, such as {named}. {advice}"
            )
        if longest > KEY_CHARS_MAX:
            raise AdoptionError(
                f"A key of {longest:,} characters is too long; at most {KEY_CHARS_MAX:,} are taken."
            )

    async def piece(
        self, connection: Connection, after: Key | None, *, limit: int, backwards: bool = False
    ) -> Piece | None:
        """Return the rows that follow a key, or the last ones of all; None when there are none."""
        cursor = await connection.execute(
            self._rows(backwards=backwards), self._after(after) | {"limit": limit}
        )
        rows = await cursor.fetchall()
        if not rows:
            return None
        return Piece(
            [key for key, _, _, _ in rows],
            [(topic.encode(), payload.encode()) for _, topic, payload, _ in rows],
            [amount for _, _, _, amount in rows],
        )

    async def account(self, connection: Connection, last: Key | None) -> Account:
        """Count and add up the table as a whole, up to a key."""
        statement = sql.SQL(_ACCOUNT).format(
            table=self._identifier, amount=self._amount, behind=self._behind
        )
        cursor = await connection.execute(statement, self._after(last))
        row = await cursor.fetchone()
        assert row is not None
        return Account(*row)

    async def count_behind(self, connection: Connection, after: Key | None) -> int:
        """Return how many rows follow a key."""
        statement = sql.SQL("SELECT count(*) FROM {} AS old WHERE {}").format(
            self._identifier, self._behind
        )
        cursor = await connection.execute(statement, self._after(after))
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def roundings(self, connection: Connection) -> list[Rounding]:
        """Return which numbers of the whole table are rounded, half away from zero."""
        rounded = [name for name in _PLACES if self._is_number(name)]
        if not rounded:
            return []
        parts = [
            sql.SQL(
                "count(*) FILTER (WHERE {0} <> round({0}, {1})), "
                "coalesce(sum(round({0}, {1}) - {0}), 0)"
            ).format(self._number(name), sql.Literal(_PLACES[name]))
            for name in rounded
        ]
        cursor = await connection.execute(
            sql.SQL("SELECT {} FROM {} AS old").format(sql.SQL(", ").join(parts), self._identifier)
        )
        row = await cursor.fetchone()
        assert row is not None
        found = [
            Rounding(name, _PLACES[name], row[2 * at], row[2 * at + 1])
            for at, name in enumerate(rounded)
        ]
        return [one for one in found if one.count]

    @property
    def is_added_up(self) -> bool:
        """Whether the amounts are numbers, so that their sum can be compared."""
        return self._is_number("amount")

    def places(self) -> list[tuple[str, str]]:
        """Return each field and where it comes from, in words, for people to check."""
        source = self.source
        found = [("key", ", ".join(f"column {name}" for name in source.key_columns))]
        for name in ("site", *FIELDS):
            if name in source.constants:
                place = f"always {source.constants[name]}"
            elif source.column(name) in self.columns:
                place = f"column {source.column(name)} ({self.columns[source.column(name)].type})"
            else:
                place = "not in the table"
            found.append((name, place))
        return found

    def unused_columns(self) -> list[str]:
        """Return the columns that say nothing of an entry."""
        used = {self.source.column(name) for name in ("site", *FIELDS)}
        return [name for name in self.columns if name not in used | set(self.source.key_columns)]

    # --- parts of statements --------------------------------------------------------------------

    @property
    def _key_name(self) -> sql.Composable:
        """One text of the key: ASCII, without a quotation mark, and different for each key."""
        return sql.SQL(" || '/' || ").join(
            sql.SQL("{}::text").format(key)
            if self.columns[name].type in _PLAIN_TYPES
            else sql.SQL(
                "CASE WHEN {key}::text ~ {plain} THEN {key}::text "
                "ELSE '~' || encode(convert_to({key}::text, 'UTF8'), 'hex') END"
            ).format(key=key, plain=sql.Literal(_PLAIN))
            for name, key in zip(self.source.key_columns, self._keys, strict=True)
        )

    @property
    def _behind(self) -> sql.Composable:
        """Whether a row follows the key in the parameters; all do where there is none."""
        after = sql.SQL(", ").join(
            sql.SQL("{}::{}").format(
                sql.Placeholder(f"after_{place}"), sql.SQL(self.columns[name].type)
            )
            for place, name in enumerate(self.source.key_columns)
        )
        return sql.SQL("%(is_first)s OR ({}) > ({})").format(sql.SQL(", ").join(self._keys), after)

    def _after(self, key: Key | None) -> dict[str, Any]:
        texts: list[str | None] = [*key] if key else [None] * len(self._keys)
        return {"is_first": key is None} | {
            f"after_{place}": text for place, text in enumerate(texts)
        }

    @property
    def _amount(self) -> sql.Composable:
        return self._number("amount") if self.is_added_up else sql.SQL("NULL::numeric")

    def _is_number(self, name: str) -> bool:
        """Whether a field comes from a column of numbers."""
        column = self.columns.get(self.source.column(name))
        return name not in self.source.constants and column is not None and column.category == "N"

    def _number(self, name: str) -> sql.Composable:
        """Return a column of numbers as a decimal, NULL where it is none."""
        column = sql.SQL("old.{}").format(sql.Identifier(self.source.column(name)))
        # What is no number, or has no end, would make the sum say nothing.
        return sql.SQL(
            "CASE WHEN {0}::text NOT IN ('NaN', 'Infinity', '-Infinity') THEN {0}::numeric END"
        ).format(column)

    def _rows(self, *, backwards: bool) -> sql.Composed:
        source = self.source
        if "site" in source.constants:
            site: sql.Composable = sql.SQL("{}::text").format(sql.Literal(source.constants["site"]))
        else:
            site = sql.SQL("old.{}::text").format(sql.Identifier(source.column("site")))
        order = sql.SQL(", ").join(
            sql.SQL("{} DESC").format(key) if backwards else key for key in self._keys
        )
        return sql.SQL(_ROWS).format(
            key_texts=sql.SQL("ARRAY[{}]").format(
                sql.SQL(", ").join(sql.SQL("{}::text").format(key) for key in self._keys)
            ),
            key_name=self._key_name,
            site=site,
            source=sql.Literal(source.table),
            fields=sql.SQL(", ").join(self._fields()),
            amount=self._amount,
            table=self._identifier,
            condition=self._behind,
            order=order,
        )

    def _fields(self) -> list[sql.Composable]:
        """Return names and values of the message's fields."""
        source = self.source
        fields: list[sql.Composable] = []
        for name in FIELDS:
            if name in source.constants:
                value: sql.Composable = _constant(name, source.constants[name])
            elif (column := self.columns.get(source.column(name))) is not None:
                value = sql.SQL("old.{}").format(sql.Identifier(source.column(name)))
                if name in _PLACES and self._is_number(name):
                    # More places than the ledger has are rounded, half away from zero; what is no
                    # number goes on as it is, to be refused with its reason.
                    value = sql.SQL("coalesce(round({}, {})::text, {}::text)").format(
                        self._number(name), sql.Literal(_PLACES[name]), value
                    )
                elif column.type == "timestamp without time zone":
                    # A time of the site's own clock. Of a site that nobody registered yet the clock
                    # is unknown, so its message keeps the time as it is (see `local_times`).
                    value = sql.SQL(
                        "CASE WHEN site.id IS NULL THEN to_json({0}) "
                        "ELSE to_json({0} AT TIME ZONE site.timezone) END"
                    ).format(value)
            else:
                continue
            fields.append(sql.SQL("{}, {}").format(sql.Literal(name), value))
        return fields


def _check_names(source: Source, columns: Mapping[str, Column]) -> None:
    known = {"key", "site", *FIELDS}
    for name in (*source.columns, *source.constants):
        if name not in known:
            raise AdoptionError(f"{name} is no field of an entry; there are {', '.join(FIELDS)}.")
    if "key" in source.constants:
        raise AdoptionError("The key tells rows apart, so it cannot be one value for all.")
    for name in source.key_columns:
        if name not in columns:
            raise AdoptionError(
                f"{source.table} has no column {name} for key; name it with --column key=COLUMN, "
                f"or several with commas between."
            )
    for name in ("site", *REQUIRED_FIELDS):
        if name not in source.constants and source.column(name) not in columns:
            raise AdoptionError(
                f"{source.table} has no column {source.column(name)} for {name}; name it with "
                f"--column {name}=COLUMN, or give all rows one value with --constant {name}=VALUE."
            )
    for name, text in source.constants.items():
        if name != "site":
            _constant(name, text)


def _constant(name: str, text: str) -> sql.Composable:
    """Return a value as JSON of the field's type; AdoptionError when it is none."""
    (kind,) = (one.type for one in _FIELDS if one.name == name)
    try:
        value = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise AdoptionError(f"{text!r} cannot be the {name} of all rows: {error}.") from error
    return sql.SQL("{}::json").format(sql.Literal(contract.encode(value).decode()))
