"""What a correction moves, for the limit beyond which it takes a second person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.models import EntryValues, Kind, Payment
from ledger.movement import PLACES, moved_amount

SALE: dict[str, Any] = {field.name: None for field in EntryValues._meta.fields} | {
    "kind": Kind.SALE,
    "product": "E10",
    "amount": Decimal("60.00"),
    "volume": Decimal("40.000"),
    "unit_price": Decimal("1.5000"),
    "tax_rate": Decimal("20.00"),
    "payment": Payment.CASH,
    "fuelling_point": 3,
    "nozzle": 1,
    "tank": 1,
}


@pytest.mark.parametrize(
    ("changed", "moved"),
    [
        ({}, "0"),
        # It stays in its place: what changes.
        ({"amount": Decimal("55.00")}, "5.00"),
        ({"amount": Decimal("66.50"), "volume": Decimal("44.000")}, "6.50"),
        ({"amount": Decimal("60.10"), "volume": Decimal("60.000")}, "30.00"),
        ({"volume": Decimal("10.000")}, "45.00"),
        ({"volume": None}, "60.00"),
        ({"volume": Decimal("10.000"), "unit_price": Decimal("6.0000")}, "180.00"),
        # It counts elsewhere: all of it, as it was or as it is, whichever is more.
        ({"product": "B7"}, "60.00"),
        ({"product": "B7", "amount": Decimal("64.00")}, "64.00"),
        ({"product": "B7", "amount": Decimal("1.00")}, "60.00"),
        ({"payment": Payment.CARD}, "60.00"),
        ({"payment": None}, "60.00"),
        ({"tax_rate": Decimal(0)}, "60.00"),
        ({"tax_rate": None}, "60.00"),
        ({"kind": Kind.TEST}, "60.00"),
        ({"kind": Kind.REFUND, "amount": Decimal("-60.00")}, "60.00"),
        ({"tank": 2}, "60.00"),
        # Nothing of it is added up.
        ({"tax_rate": Decimal(20)}, "0"),
        ({"unit_price": Decimal("1.4000")}, "0"),
        ({"occurred_at": "another", "device_transaction": 7, "offline": True}, "0"),
    ],
)
def test_it_is_what_leaves_one_place_for_another(changed: dict[str, Any], moved: str) -> None:
    assert moved_amount(SALE, SALE | changed) == Decimal(moved)
    assert moved_amount(SALE | changed, SALE) == Decimal(moved)


def test_an_entry_added_or_voided_is_moved_whole() -> None:
    assert moved_amount(SALE, None) == moved_amount(None, SALE) == Decimal("60.00")
    refund = SALE | {"kind": Kind.REFUND, "amount": Decimal("-60.00")}
    assert moved_amount(refund, None) == Decimal("60.00")
    assert moved_amount(None, None) == 0


def test_litres_without_a_price_are_worth_what_was_paid_for_them() -> None:
    unpriced = SALE | {"unit_price": None}
    assert moved_amount(unpriced, unpriced | {"volume": Decimal("30.000")}) == Decimal("20.00")
    given = unpriced | {"amount": Decimal(0), "volume": None}
    assert moved_amount(given, given | {"volume": Decimal("30.000")}) == 0


def test_the_places_are_those_that_an_entry_states() -> None:
    assert set(PLACES) < {field.name for field in EntryValues._meta.fields}
