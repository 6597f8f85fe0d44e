"""Signs of amounts, litres and prices: what receipt flags and forms ask about."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest

from ingest.decode import decode_entry
from ingest.rows import entry_flags
from ingest.sites import SiteConfig
from ledger.models import EntryFlag
from ledger.signs import amount_made
from tests.contract_messages import ENTRY

SITE = SiteConfig(1, "Europe/London", frozenset(), frozenset(), datetime.date(2020, 1, 1))
LATEST = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
NOTHING = EntryFlag(0)
SIGN, BELOW_ZERO = EntryFlag.AMOUNT_SIGN, EntryFlag.BELOW_ZERO
NO_LITRES, MISMATCH = EntryFlag.NO_LITRES, EntryFlag.AMOUNT_MISMATCH
FIGURES = {"volume_15c": None, "totalizer": None}


def flags(**changes: Any) -> EntryFlag:
    """The flags of 10 litres at 1.50, sold for 15.00, but for some changes."""
    sale = {"volume": "10.000", "unit_price": "1.5000", "amount": "15.00"}
    payload = json.dumps(ENTRY | FIGURES | sale | changes).encode()
    return EntryFlag(entry_flags(decode_entry(payload), SITE, LATEST))


@pytest.mark.parametrize("kind", ["sale", "drive_off", "test"])
def test_an_amount_below_zero_is_a_refund_s_alone(kind: str) -> None:
    assert flags(kind=kind) == NOTHING
    wrong = flags(kind=kind, amount="-15.00")
    assert wrong == (SIGN if kind == "test" else SIGN | MISMATCH)
    assert flags(kind=kind, amount="-4.50", volume=None, unit_price=None) == SIGN


def test_a_refund_above_zero_is_flagged() -> None:
    assert flags(kind="refund", amount="15.00") == SIGN | MISMATCH
    assert flags(kind="refund", amount="4.50", volume=None, unit_price=None) == SIGN


@pytest.mark.parametrize("litres", ["10.000", "-10.000"])
def test_a_refund_states_its_litres_as_sold_or_as_given_back(litres: str) -> None:
    assert flags(kind="refund", amount="-15.00", volume=litres, volume_15c=litres) == NOTHING


@pytest.mark.parametrize("amount", ["0", "0.00", "-0.00"])
@pytest.mark.parametrize("kind", ["sale", "refund"])
def test_zero_has_no_sign(kind: str, amount: str) -> None:
    assert flags(kind=kind, amount=amount, volume=None) == NOTHING


def test_litres_and_prices_below_zero_are_flagged() -> None:
    assert flags(volume="-10.000") == BELOW_ZERO | MISMATCH
    # Together they make the amount, which does not make them right.
    assert flags(volume="-10.000", unit_price="-1.5000") == BELOW_ZERO
    assert flags(volume="-10.000", amount="-15.00") == BELOW_ZERO | SIGN
    assert flags(volume_15c="-9.871") == BELOW_ZERO
    assert flags(totalizer="-1.000") == BELOW_ZERO
    assert flags(unit_price="-1.5000", volume=None, amount="0.00") == BELOW_ZERO
    assert flags(kind="refund", unit_price="-1.5000", amount="-15.00") == BELOW_ZERO


@pytest.mark.parametrize("litres", [None, "0", "0.000", "-0.000", 0])
def test_an_amount_by_price_wants_litres_however_their_absence_is_said(litres: object) -> None:
    assert flags(volume=litres) == NO_LITRES
    assert flags(kind="refund", volume=litres, amount="-15.00") == NO_LITRES
    # Goods that are not sold by the litre, and what cost nothing.
    assert flags(volume=litres, unit_price=None) == NOTHING
    assert flags(volume=litres, unit_price="0") == NOTHING
    assert flags(volume=litres, amount="0") == NOTHING


@pytest.mark.parametrize(
    ("volume", "unit_price", "is_refund", "amount"),
    [
        ("10.000", "1.6000", False, "16.00"),
        ("10.000", "1.6000", True, "-16.00"),
        ("-10.000", "1.6000", True, "-16.00"),
        ("-10.000", "1.6000", False, "-16.00"),
        ("0.500", "0.0100", False, "0.01"),
        ("0.500", "0.0100", True, "-0.01"),
        ("0.000", "1.6000", False, None),
        (None, "1.6000", False, None),
        ("10.000", None, True, None),
    ],
)
def test_litres_and_price_make_an_amount_of_the_kind_s_sign(
    volume: str | None, unit_price: str | None, is_refund: bool, amount: str | None
) -> None:
    made = amount_made(
        None if volume is None else Decimal(volume),
        None if unit_price is None else Decimal(unit_price),
        is_refund=is_refund,
    )
    assert (made is None and amount is None) or str(made) == amount


def test_every_flag_has_its_words_and_a_bit_of_its_own() -> None:
    assert all(flag.label for flag in EntryFlag)
    assert len({flag.label for flag in EntryFlag}) == len(EntryFlag)
    # The column is a smallint.
    assert sum(EntryFlag) < 2**15
