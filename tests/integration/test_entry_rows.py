"""What an entry says arrives in the ledger to the last character."""

from __future__ import annotations

import datetime
from decimal import Decimal

import msgspec
import pytest
from django.db import connection

from ingest.decode import decode_entry
from ingest.rows import csv_of, entry_row
from ingest.sql import load
from ledger.models import Entry, Payment
from tests.factories import make_site

pytestmark = pytest.mark.django_db

ODD_PRODUCTS = [
    "E10", "null", "\\N", "\\", '"', '\\"', ",", "a,b", " ", "'", "\t", "a\nb", "]\n[", "\r\n",
    "\x01", "\x7f", "\u00a0", "\u2028", "Žluťák", "⛽", "{}", "\\u0041", "x" * 32,
]  # fmt: skip


def copy(payloads: list[dict[str, object]]) -> list[Entry]:
    site = make_site()
    rows = []
    for payload in payloads:
        entry = decode_entry(msgspec.json.encode(payload | {"product": "E10"}))
        # The decoder refuses what nobody can see; what makes rows must not depend on that.
        entry.product = str(payload["product"])
        rows.append(entry_row(site.id, entry, 0, "2026-11-21 12:00:00Z"))
    with connection.cursor() as cursor, cursor.copy(load("copy_entries")) as sink:
        sink.write(csv_of(rows))
    return list(Entry.objects.order_by("sequence"))


def payload(sequence: int, **fields: object) -> dict[str, object]:
    return {
        "fiscal_day": "2026-11-21",
        "sequence": sequence,
        "kind": "sale",
        "occurred_at": "2026-11-21T14:03:11.123456+02:00",
        "product": "E10",
        "amount": "47.93",
    } | fields


def test_products_of_any_characters() -> None:
    entries = copy([payload(n, product=text) for n, text in enumerate(ODD_PRODUCTS, 1)])
    assert [entry.product for entry in entries] == ODD_PRODUCTS


@pytest.mark.parametrize("product", ODD_PRODUCTS)
def test_a_product_of_any_characters_alone(product: str) -> None:
    (entry,) = copy([payload(1, product=product)])
    assert entry.product == product


def test_every_field() -> None:
    bare, full = copy(
        [
            payload(1),
            payload(
                2,
                volume="32.407",
                volume_15c="32.1",
                unit_price="1.479",
                tax_rate="20",
                fuelling_point=3,
                nozzle=1,
                tank=2,
                payment="card",
                device_transaction=65535,
                totalizer="123456789012345.678",
                offline=True,
                amount="-9999999999.99",
            ),
        ]
    )
    at = datetime.datetime(2026, 11, 21, 12, 3, 11, 123456, tzinfo=datetime.UTC)
    assert (bare.occurred_at, bare.amount, bare.volume, bare.payment, bare.offline) == (
        at,
        Decimal("47.93"),
        None,
        None,
        False,
    )
    assert (full.volume, full.volume_15c, full.unit_price, full.tax_rate) == (
        Decimal("32.407"),
        Decimal("32.1"),
        Decimal("1.479"),
        Decimal(20),
    )
    assert (full.fuelling_point, full.nozzle, full.tank, full.payment) == (3, 1, 2, Payment.CARD)
    assert (full.device_transaction, full.offline) == (65535, True)
    assert (full.totalizer, full.amount) == (
        Decimal("123456789012345.678"),
        Decimal("-9999999999.99"),
    )
