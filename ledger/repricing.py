"""The amount of an entry at another price a litre.

Pure arithmetic over what an entry states. A new price changes how much, never which way money
went: a refund stays one, and so does a sale that was taken back. Where there are no litres there is
nothing that a price a litre could apply to, so the amount of a shop sale stands for itself.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from ledger.models.entry import Kind
from ledger.signs import amount_made

_CENT = Decimal("0.01")


def repriced_amount(
    *, kind: int, amount: Decimal, volume: Decimal | None, unit_price: Decimal
) -> Decimal | None:
    """Return the amount at a price, with the sign that the amount has; None without litres.

    An amount of 0 has no sign: the entry's kind gives it one, and a pump test that nobody paid
    stays at 0. Litres of `None` and 0 are one thing.
    """
    if not volume:
        return None
    if not amount:
        if kind == Kind.TEST:
            return amount
        return amount_made(volume, unit_price, is_refund=kind == Kind.REFUND)
    made = abs(volume) * unit_price
    return (-made if amount < 0 else made).quantize(_CENT, ROUND_HALF_UP)
