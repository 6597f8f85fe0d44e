"""What archives say of themselves: every column described, signatures as RFC 8032 has them."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.apps import apps

from console.archive import datapackage, verify
from console.archive.tables import MADE, TABLES, Table
from console.models import User
from ingest import contract
from ingest.decode import decode_day
from ledger.tax import tax_of

README = Path(verify.__file__).with_name("README.md").read_text(encoding="utf-8")
#: What is no part of the ledger's record: states, commands, the ingest's own figures; and the
#: records of rows, which say again what the rows say.
LEFT_OUT = {
    "Adoption",
    "Alarm",
    "AlarmAcknowledgement",
    "AlarmEvent",
    "AuditUnlinked",
    "Command",
    "IngestWorker",
    "NozzleState",
    "PointSilence",
    "Pulse",
    "PumpState",
    "RowRecord",
    "SiteStatus",
    "TankState",
}
FILES = {f"{one.name}.csv": {"rows": 0, "bytes": 0, "sha256": "0" * 64} for one in (*TABLES, *MADE)}


def test_every_table_of_the_ledger_is_in_an_archive_or_left_out_on_purpose() -> None:
    there = {table.model.__name__ for table in TABLES} - {"User"}
    models = {model.__name__ for model in apps.get_app_config("ledger").get_models()}
    assert models - there == {name for name in LEFT_OUT if name in models}
    assert there <= models


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_is_described(table: Table) -> None:
    fields = {field.attname for field in table.model._meta.concrete_fields}
    if table.model is User:
        # Neither passwords nor addresses leave the console.
        assert set(table.columns) == {"id", "username", "first_name", "last_name"}
    else:
        assert set(table.columns) == fields
    assert all(table.columns.values())


def test_references_name_columns_that_there_are_and_a_key() -> None:
    schemas = {
        one["name"]: one["schema"] for one in datapackage.package(FILES, created="")["resources"]
    }
    for name, schema in schemas.items():
        columns = {field["name"] for field in schema["fields"]}
        assert {*schema["primaryKey"]} <= columns
        for one in schema["foreignKeys"]:
            to = one["reference"]
            assert {*one["fields"]} <= columns, name
            there = {field["name"] for field in schemas[to["resource"]]["fields"]}
            assert {*to["fields"]} <= there


def test_codes_are_those_of_the_columns() -> None:
    codes: dict[str, set[str]] = {}
    for name, code, meaning in datapackage.code_rows():
        assert meaning
        codes.setdefault(name, set()).add(code)
    assert codes["entry.kind"] == {"1", "2", "3", "4"}
    assert codes["payment_total.payment"] == {"0", "1", "2", "3", "4", "5", "6"}
    assert "512" in codes["entry.flags"]
    assert {"quarantine.reason", "correction.status", "explanation.reason"} <= codes.keys()
    assert "day.sealed" in codes["audit_event.action"]


@pytest.mark.parametrize("model", ["entry", "correction", "correction_posting", "explanation"])
def test_the_documented_lines_name_columns_of_their_file(model: str) -> None:
    """A column that is renamed makes the README's line wrong."""
    (table,) = [one for one in TABLES if one.name == model]
    columns = {column.name for column in datapackage.columns_of(table)}
    start = {
        "entry": "[sequence, kind",
        "correction": '["correction"',
        "correction_posting": '["posting"',
        "explanation": '["explanation"',
    }[model]
    told = README[README.index(start) :].split("]", 1)[0]
    names = [name.strip(" []*\n").strip() for name in told.replace('"', "").split(",")]
    names = [name for name in names if name not in {"correction", "posting", "explanation"}]
    assert {*names} <= columns


# --- RFC 8032, section 7.1 ------------------------------------------------------------------------

VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
            "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
            "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
            "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
            "36ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ec"
            "fdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_signatures_of_rfc_8032_are_good_and_any_other_is_not(
    key: str, message: str, signature: str
) -> None:
    raw = [bytes.fromhex(text) for text in (key, message, signature)]
    assert verify.is_signed(*raw)
    for place, one in enumerate(raw):
        for at in {0, len(one) // 2, len(one) - 1} if one else ():
            changed = bytearray(one)
            changed[at] ^= 1
            assert not verify.is_signed(*raw[:place], bytes(changed), *raw[place + 1 :])


def test_signatures_of_the_library_are_good_and_what_is_no_signature_is_not() -> None:
    for number in range(8):
        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([number])).digest())
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        message = b"seal " * number
        signature = key.sign(message)
        assert verify.is_signed(public, message, signature)
        # The same number once more: S + L, which RFC 8032 refuses.
        order = 2**252 + 27742317777372353535851937790883648493
        more = int.from_bytes(signature[32:], "little") + order
        assert not verify.is_signed(public, message, signature[:32] + more.to_bytes(32, "little"))
        assert not verify.is_signed(public, message, signature[:63])
        assert not verify.is_signed(public[:31], message, signature)
    assert not verify.is_signed(b"\xff" * 32, b"", bytes(64))


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [None, "0.00", "5.50", "20.00", "19.99", "100.00"])
def test_taxes_are_those_of_the_ledger(rate: str | None) -> None:
    for cents in [0, 1, -1, 3, 6, -6, 9, 33, 4793, -4793, 105_50, 999_999_999_999]:
        made = verify.tax_within(cents, rate)
        stated = None if rate is None else Decimal(rate)
        assert made == int(tax_of(Decimal(cents) / 100, stated) * 100)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (-5, "-0.05"), (123, "1.23"), (-1000, "-10.00")]
)
def test_a_whole_number_of_cents_is_written_as_the_files_do(value: int, text: str) -> None:
    assert verify.decimal(value, 2) == text
    assert verify.whole(text) == value


def test_a_declaration_is_made_again_as_the_ingest_made_its_digest() -> None:
    message = {
        "event": "closed", "fiscal_day": "2026-10-25", "at": "2026-10-25T23:00:00.25+01:00",
        "last_sequence": 3, "unknown": 1, "dips": [],
        "totals": [{"product": " Öl ", "count": 2, "volume": 3, "amount": "4.5"},
                   {"product": "E10", "count": 1, "volume": "1.5", "amount": "2"}],
        "totalizers": [{"fuelling_point": 2, "nozzle": 1, "product": "E10", "volume": "7"},
                       {"fuelling_point": 1, "nozzle": 2, "product": "B7", "volume": "0"}],
    }  # fmt: skip
    stored = contract.encode(decode_day(json.dumps(message).encode()))
    rows: dict[str, list[dict[str, Any]]] = {
        "declared_total": [
            {"product": "E10", "count": "1", "volume": "1.500", "amount": "2.00"},
            {"product": "Öl", "count": "2", "volume": "3.000", "amount": "4.50"},
        ],
        "totalizer": [
            {"fuelling_point": "1", "nozzle": "1", "product": "B7", "closing": None},
            {"fuelling_point": "1", "nozzle": "2", "product": "B7", "closing": "0.000"},
            {"fuelling_point": "2", "nozzle": "1", "product": "E10", "closing": "7.000"},
        ],
        "dip": [],
    }
    day = {"fiscal_day": "2026-10-25", "last_sequence": "3"}
    made = verify.declaration("closed", "2026-10-25 22:00:00.25+00", day, rows)
    assert made.encode() == stored
