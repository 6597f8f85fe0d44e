"""Differences: one sign everywhere.

A difference is what was declared, or metered, less what the ledger holds. So a lost entry makes it
positive, be it seen in a declaration, at a meter or in a count of numbers, and what the ledger
holds too much makes it negative. In a tank it is the dip less the book (`ledger.wet_stock`).
"""

from __future__ import annotations

from typing import Protocol, TypeVar


class _Subtracts(Protocol):
    def __sub__(self: _Figure, other: _Figure, /) -> _Figure: ...


_Figure = TypeVar("_Figure", bound=_Subtracts)


def difference_of(declared_or_metered: _Figure | None, ledger: _Figure) -> _Figure | None:
    """Return the difference, None where nothing was declared or metered."""
    return None if declared_or_metered is None else declared_or_metered - ledger
