"""The one sign of a difference: what was declared or measured, less what the ledger has.

So an entry that is missing makes a difference above zero on every page, in every report and export:
the site declared it and the meter counted it, the ledger lacks it. A dip less the book stock is of
the same kind, for the book is what the ledger says the tank should hold.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar, overload

from ledger.selectors.measures import Measure

Figure = TypeVar("Figure", Decimal, Measure)


@overload
def less_ledger(measured: Figure, ledger: Figure) -> Figure: ...
@overload
def less_ledger(measured: Figure | None, ledger: Figure) -> Figure | None: ...
def less_ledger(measured: Figure | None, ledger: Figure) -> Figure | None:
    """Return what was declared or measured less what the ledger has; None where nothing was."""
    return None if measured is None else measured - ledger
