"""What a correction moves: the amount that a site's limit for corrections is compared with.

Pure arithmetic over what an entry states before and after, by the names of `EntryValues`; None
stands for an entry that counts for nothing: before it is added by hand, or after it is voided.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

#: What totals, meters and tanks are kept by. An entry counts in one place of each, so another
#: value takes all of it out of one place and puts it into another.
PLACES = ("kind", "product", "tax_rate", "payment", "fuelling_point", "nozzle", "tank")

_CENT = Decimal("0.01")
_NOTHING = Decimal(0)

Stated = Mapping[str, Any] | None


def moved_amount(before: Stated, after: Stated) -> Decimal:
    """Return how much a correction moves, in the site's currency: never negative.

    All of the entry where it is added, voided, or counted in another place. Where it stays in its
    place, what the amount changes by, or what the litres that change are worth at their price,
    whichever is more: litres that come or go with an unchanged amount are no less a loss. A
    correction of the price alone, the time or a device's number moves nothing.
    """
    if before is None or after is None or any(before[name] != after[name] for name in PLACES):
        return max(abs(_of(before, "amount")), abs(_of(after, "amount")))
    litres = abs(_of(after, "volume") - _of(before, "volume"))
    worth = (litres * max(_price(before), _price(after))).quantize(_CENT, ROUND_HALF_UP)
    return max(abs(after["amount"] - before["amount"]), worth)


def _of(stated: Stated, name: str) -> Decimal:
    value: Decimal | None = None if stated is None else stated[name]
    return _NOTHING if value is None else value


def _price(stated: Mapping[str, Any]) -> Decimal:
    """Return the price of a litre as stated, else as amount and litres have it; 0 without any."""
    if stated["unit_price"]:
        price: Decimal = stated["unit_price"]
        return abs(price)
    volume = _of(stated, "volume")
    return abs(_of(stated, "amount") / volume) if volume else _NOTHING
