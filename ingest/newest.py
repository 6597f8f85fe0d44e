"""Which of two messages about one thing is newer: the one rule of everything that newest wins.

A message says when it happened (`at`), and we know when it was received. Its own time decides, so
that what arrives late or twice takes nothing back. But a time that lies in the future at receipt
says nothing except that a clock is wrong; where one of the two has such a time, the later receipt
decides. Else an alarm that finished "in 2031" would hide all that comes until then.

`newest_wins` in `ledger/sql/newest_wins.sql` is the same rule for what is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime


def newest_wins(
    at: datetime.datetime,
    received_at: datetime.datetime,
    known_at: datetime.datetime,
    known_received_at: datetime.datetime,
) -> bool:
    """Tell whether a message takes the place of what is known. Of equals it does.

    A function of four times, because it runs for each message of a pump.
    """
    if at > received_at or known_at > known_received_at:
        return received_at >= known_received_at
    return at >= known_at
