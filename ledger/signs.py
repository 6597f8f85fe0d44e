"""Signs: which way an entry's amount, litres and price point, and what they make together.

One rule for receipt, which flags what does not fit and keeps it, and for forms, which ask about
it. An amount is money that came in: a refund's is below zero or 0, that of all else is not below.
Litres and prices are not below zero either; a refund alone may state its litres as given back
(below zero) or as sold before, since controllers do both. Litres of `None`, absent and 0 are one
thing: there are none. Amounts are in the site's currency, litres at pump conditions, prices per
litre; all are `Decimal`.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from ledger.models.entry import EntryFlag

_CENT = Decimal("0.01")
#: Rounding of the amount, and of the price at its fourth place for each litre.
_AMOUNT_TOLERANCE = Decimal("0.01")
_PRICE_TOLERANCE = Decimal("0.00005")

_AMOUNT_MISMATCH = EntryFlag.AMOUNT_MISMATCH.value
_AMOUNT_SIGN = EntryFlag.AMOUNT_SIGN.value
_BELOW_ZERO = EntryFlag.BELOW_ZERO.value
_NO_LITRES = EntryFlag.NO_LITRES.value


def amount_made(
    volume: Decimal | None, unit_price: Decimal | None, *, is_refund: bool
) -> Decimal | None:
    """Return the amount that litres make at a price, with the sign of its kind, to the cent.

    Half a cent is rounded away from zero. None where there are no litres or there is no price:
    such an amount stands for itself.
    """
    if not volume or unit_price is None:
        return None
    made = volume * unit_price
    return (-abs(made) if is_refund else made).quantize(_CENT, ROUND_HALF_UP)


def figure_flags(
    *,
    is_refund: bool,
    is_test: bool,
    amount: Decimal,
    volume: Decimal | None,
    volume_15c: Decimal | None,
    unit_price: Decimal | None,
    totalizer: Decimal | None,
) -> int:
    """Return what is wrong with an entry's figures among themselves, as `EntryFlag` bits.

    The amount of a pump test is not compared with its litres, for nobody pays it.
    """
    flags = 0
    if amount.is_signed() is not is_refund and amount:
        flags = _AMOUNT_SIGN
    if volume:
        if not is_refund and volume.is_signed():
            flags |= _BELOW_ZERO
        if unit_price is not None and not is_test:
            made = volume * unit_price
            off = abs((-abs(made) if is_refund else made) - amount)
            if off > _AMOUNT_TOLERANCE and off > _AMOUNT_TOLERANCE + abs(volume) * _PRICE_TOLERANCE:
                flags |= _AMOUNT_MISMATCH
    elif unit_price and amount:
        flags |= _NO_LITRES
    if (
        (unit_price is not None and unit_price.is_signed() and unit_price)
        or (totalizer is not None and totalizer.is_signed() and totalizer)
        or (volume_15c is not None and not is_refund and volume_15c.is_signed() and volume_15c)
    ):
        flags |= _BELOW_ZERO
    return flags
