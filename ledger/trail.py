"""The audit trail as a chain: no event can be changed, taken out or put in between unnoticed.

Each event has a **link**: a number, counted from 1 without a gap, and two digests (`audit_link`).
`event_digest` is the SHA-256 of the event's line; `digest` that of the link's own line, which holds
the digest of the link before, 64 zeros for the first. Both lines are JSON as `json.dumps(line,
ensure_ascii=False)` writes it, in UTF-8, each ended by a line feed:

    ["event", id, at, person's number, name, action, site code, fiscal day, sequence, subject,
        detail]
    ["link", number, digest of the link before, event_digest]

Absent values are `null`; times are in UTC as `2026-11-22 10:00:00.25+00`, digests in lower case
hexadecimal. `detail` is a string: the JSON that PostgreSQL writes for the column. So who may see
some events only can still follow the chain over the digests of the others.

Events are linked in the order of their numbers as they are found committed: by the transaction that
seals a day, which links its own, too, and every second by the worker. The event `day.sealed` of
each seal states the seal, its Z number and the key; the signature of the seal (`ledger.signing`)
covers the newest link before that event. Hence a seal that is removed or replaced is still told by
the trail, and a trail that is shortened or made anew is told by the signatures and by every copy
of a head outside of the database.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

#: What stands for the link before the first one.
NO_LINK = bytes(32)

#: Asks for the newest link.
HEAD = "SELECT number, digest FROM audit_link ORDER BY number DESC LIMIT 1"


class Head(NamedTuple):
    """The newest link: how many events are linked, and the digest of the last (32 bytes)."""

    number: int = 0
    digest: bytes = NO_LINK


def trail_head(cursor: Any) -> Head:
    """Return the newest link; that of an empty trail has number 0."""
    cursor.execute(HEAD)
    row = cursor.fetchone()
    return Head(row[0], bytes(row[1])) if row else Head()


def link_digest(number: int, before: bytes, event_digest: bytes) -> bytes:
    """Return the digest of a link."""
    line = json.dumps(["link", number, before.hex(), event_digest.hex()]) + "\n"
    return hashlib.sha256(line.encode()).digest()
