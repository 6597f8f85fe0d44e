"""The schema of an archive, as `datapackage.json` states it (Frictionless Data Package 2.0)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db import models
from django.utils import translation

from console.archive.tables import MADE, TABLES, Made, Reference, Table
from ledger.models import EntryFlag
from ledger.models.fields import (
    MoneyField,
    TaxRateField,
    TemperatureField,
    TotalMoneyField,
    TotalVolumeField,
    UnitPriceField,
    VolumeField,
)
from ledger.selectors.audit import ACTION_NAMES

#: What stands for NULL; a text that begins with a backslash has one more in front of it.
NULL = r"\N"
_PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
#: Units are UCUM codes but for money.
_UNITS: tuple[tuple[type[models.Field], str], ...] = (
    (MoneyField, "site.currency"),
    (TotalMoneyField, "site.currency"),
    (VolumeField, "L"),
    (TotalVolumeField, "L"),
    (UnitPriceField, "site.currency/L"),
    (TaxRateField, "%"),
    (TemperatureField, "Cel"),
)
_UNITS_OF_NAMES = {
    "stale_after_s": "s",
    "ahead_s": "s",
    "wet_stock_daily_permille": "[ppth]",
    "wet_stock_monthly_permille": "[ppth]",
    "latitude": "deg",
    "longitude": "deg",
    "raw_size": "By",
}
_UNITS_OF_FIGURES = {"volume": "L", "amount": "site.currency", "tax": "site.currency"}
#: Bytes that are more than a digest: in base64, which is half as long again as hexadecimal is.
_BASE64 = frozenset({"raw", "payload"})
_OFFSETS = {"type": "datetime", "format": "any"}


class Column(NamedTuple):
    """A column of a file: its name, how PostgreSQL writes it, and what the schema says of it."""

    name: str
    expression: str
    field: dict[str, Any]


def columns_of(table: Table) -> list[Column]:
    """Return the columns of a table's file, those of its key first."""
    names = key_of(table)
    return [
        _column(table, table.model._meta.get_field(name))  # noqa: SLF001 documented Meta API
        for name in [*names, *(name for name in _fields(table) if name not in names)]
    ]


def key_of(table: Table) -> list[str]:
    """Return the attributes of the model that are its key."""
    return [field.attname for field in table.model._meta.pk_fields]  # noqa: SLF001


def described(name: str) -> str:
    """Return the name of a column in the archive."""
    return "site" if name == "site_id" else name


def _fields(table: Table) -> list[str]:
    fields = table.model._meta.concrete_fields  # noqa: SLF001
    return [field.attname for field in fields if field.attname in table.columns]


def _column(table: Table, field: Any) -> Column:
    name = field.attname
    said: dict[str, Any] = {"name": described(name), "description": table.columns[name]}
    if name == "site_id":
        required = {"constraints": {"required": True}} if not field.null else {}
        return Column("site", "site.code", {**said, "type": "string", **required})
    kind, expression = _type(field)
    said |= kind
    if unit := _unit(field):
        said["unit"] = unit
    constraints: dict[str, Any] = {"required": True} if not field.null else {}
    if kind["type"] == "string" and field.max_length and not isinstance(field, models.BinaryField):
        constraints["maxLength"] = field.max_length
    if constraints:
        said["constraints"] = constraints
    if choices := _choices(field):
        said["categories"] = [{"value": code, "label": label} for code, label in choices]
    return Column(said["name"], expression, said)


def _type(field: Any) -> tuple[dict[str, Any], str]:
    """Return the type and the expression of a field that is not a site."""
    column = f't."{field.attname}"'
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    match field:
        case models.DateTimeField():
            return dict(_OFFSETS), column
        case models.DateField():
            return {"type": "date"}, column
        case models.TimeField():
            return {"type": "time"}, column
        case models.DecimalField():
            return {"type": "number"}, column
        case models.BooleanField():
            return {"type": "boolean"}, f"{column}::text"
        case models.IntegerField():
            return {"type": "integer"}, column
        case models.JSONField():
            return {"type": "object"}, f"{column}::text"
        case models.BinaryField() if field.attname in _BASE64:
            unbroken = f"translate(encode({column}, 'base64'), E'\\n', '')"
            return {"type": "string", "format": "binary"}, unbroken
        case models.BinaryField():
            return {"type": "string"}, f"encode({column}, 'hex')"
    escaped = f"CASE WHEN left({column}, 1) = '\\' THEN '\\' || {column} ELSE {column} END"
    return {"type": "string"}, escaped


def _unit(field: Any) -> str:
    by_name = _UNITS_OF_NAMES.get(field.attname, "")
    return by_name or next((unit for kind, unit in _UNITS if isinstance(field, kind)), "")


def _choices(field: Any) -> list[tuple[Any, str]]:
    """Return codes and what they stand for, in English whatever the person reads."""
    with translation.override("en"):
        return [(code, str(label)) for code, label in field.flatchoices]


def code_rows() -> Iterator[tuple[str, str, str]]:
    """Yield list, code and meaning of all codes, in the order of the first two."""
    yield from sorted(_codes())


def _codes() -> Iterator[tuple[str, str, str]]:
    for table in TABLES:
        for column in columns_of(table):
            for one in column.field.get("categories", ()):
                yield f"{table.name}.{column.name}", str(one["value"]), one["label"]
    with translation.override("en"):
        for flag in EntryFlag:
            yield "entry.flags", str(flag.value), flag.label
        for code, label in ACTION_NAMES.items():
            yield "audit_event.action", code, str(label)


def package(files: Mapping[str, Mapping[str, Any]], *, created: str) -> dict[str, Any]:
    """Return the schema. `files` has bytes, rows and sha256 of each file, by its path."""
    resources = [
        *(_resource(table, files, _table_fields(table), *_table_key(table)) for table in TABLES),
        *(_resource(made, files, _made_fields(made), made.key) for made in MADE),
    ]
    return {
        "$schema": _PROFILE,
        "name": "audit-archive",
        "title": "Audit archive of a forecourt ledger",
        "description": "README.md says what it holds and how it hangs together.",
        "created": created,
        "resources": resources,
    }


def _table_fields(table: Table) -> list[dict[str, Any]]:
    return [column.field for column in columns_of(table)]


def _table_key(table: Table) -> tuple[tuple[str, ...]]:
    return (tuple(described(name) for name in key_of(table)),)


def _made_fields(made: Made) -> list[dict[str, Any]]:
    fields = []
    for name, (kind, description) in made.columns.items():
        field: dict[str, Any] = {"name": name, "description": description, "type": kind}
        if kind == "datetime":
            field |= _OFFSETS
        if unit := (_UNITS_OF_FIGURES | _UNITS_OF_NAMES).get(name):
            field["unit"] = unit
        if name not in made.nullable:
            field["constraints"] = {"required": True}
        fields.append(field)
    return fields


def _resource(
    source: Table | Made,
    files: Mapping[str, Mapping[str, Any]],
    fields: list[dict[str, Any]],
    key: Iterable[str],
) -> dict[str, Any]:
    path = f"{source.name}.csv"
    file = files[path]
    return {
        "name": source.name,
        "path": path,
        "type": "table",
        "description": source.about,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": file["bytes"],
        "hash": f"sha256:{file['sha256']}",
        "rows": file["rows"],
        "schema": {
            "fields": fields,
            "primaryKey": list(key),
            "foreignKeys": [_reference(one) for one in source.references],
            "missingValues": [NULL],
        },
    }


def _reference(one: Reference) -> dict[str, Any]:
    return {
        "fields": list(one.columns),
        "reference": {"resource": one.file, "fields": list(one.to)},
    }
