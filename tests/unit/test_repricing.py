"""A new price a litre: how much changes, never which way money went."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.models import Kind
from ledger.repricing import repriced_amount


@pytest.mark.parametrize(
    ("kind", "amount", "volume", "made"),
    [
        (Kind.SALE, "15.00", "10", "16.00"),
        (Kind.SALE, "-15.00", "-10", "-16.00"),
        (Kind.DRIVE_OFF, "15.00", "10", "16.00"),
        # A refund states its litres as given back or as sold: controllers do both.
        (Kind.REFUND, "-15.00", "10", "-16.00"),
        (Kind.REFUND, "-15.00", "-10", "-16.00"),
        # Flagged as it is, and whether it is right is not for a new price to say.
        (Kind.REFUND, "15.00", "10", "16.00"),
        # An amount of 0 has no sign of its own.
        (Kind.SALE, "0.00", "10", "16.00"),
        (Kind.REFUND, "0.00", "10", "-16.00"),
        (Kind.TEST, "0.00", "20", "0.00"),
        (Kind.TEST, "30.00", "20", "32.00"),
    ],
)
def test_the_sign_stays(kind: Kind, amount: str, volume: str, made: str) -> None:
    found = repriced_amount(
        kind=kind, amount=Decimal(amount), volume=Decimal(volume), unit_price=Decimal("1.6")
    )
    assert str(found) == made


@pytest.mark.parametrize("volume", [None, Decimal(0), Decimal("0.000"), Decimal("-0.000")])
@pytest.mark.parametrize("kind", list(Kind))
def test_there_is_no_price_a_litre_without_litres(kind: Kind, volume: Decimal | None) -> None:
    for amount in (Decimal("4.50"), Decimal("-4.50"), Decimal(0)):
        assert (
            repriced_amount(kind=kind, amount=amount, volume=volume, unit_price=Decimal("1.6"))
            is None
        )


def test_half_a_cent_is_rounded_away_from_zero() -> None:
    price = Decimal("0.005")
    for amount, made in ((Decimal(1), "0.01"), (Decimal(-1), "-0.01")):
        found = repriced_amount(kind=Kind.SALE, amount=amount, volume=Decimal(1), unit_price=price)
        assert str(found) == made
