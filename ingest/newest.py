"""Which of two messages about one thing is newer: the one rule of everything that newest wins.

A message says when it happened (`at`), and we know when it was received. Its own time decides, so
that what arrives late or twice takes nothing back. But a time that lies in the future at receipt
says nothing except that a clock is wrong; where one of the two has such a time, the later receipt
decides. Else an alarm that finished "in 2031" would hide all that comes until then.

`newest_wins` in `ledger/sql/newest_wins.sql` is the same rule for what is stored.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple


class Told(NamedTuple):
    """When something happened by its own clock, and when it was received."""

    at: datetime.datetime
    received_at: datetime.datetime

    @property
    def is_in_the_future(self) -> bool:
        """Whether the clock that told it was ahead."""
        return self.at > self.received_at

    @property
    def credible_at(self) -> datetime.datetime:
        """When it happened as far as that can be believed: what was received has happened."""
        return min(self.at, self.received_at)

    def wins_over(self, known: Told) -> bool:
        """Tell whether it takes the place of what is known. Of equals the one asked about does."""
        if self.is_in_the_future or known.is_in_the_future:
            return self.received_at >= known.received_at
        return self.at >= known.at
