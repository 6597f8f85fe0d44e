"""The one rounding rule of tax, which every total and every report follows.

The tax within a gross amount is amount x rate / (100 + rate), for each entry by itself, rounded
half away from zero to 2 places. Taxes are then added, never taken from a sum; net is gross less
tax. So net, tax and gross of any report add up to the cent.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


def tax_of(amount: Decimal, tax_rate: Decimal | None) -> Decimal:
    """Return the tax within a gross amount; `tax_rate` is per cent, None where none was given."""
    if tax_rate is None:
        return Decimal(0)
    return (amount * tax_rate / (100 + tax_rate)).quantize(_CENT, ROUND_HALF_UP)
