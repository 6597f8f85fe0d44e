"""What would become of a few rows, before anything is written.

The first and the last rows are stored as the move would store them, in a transaction that is then
undone: nothing judges them but what judges every message.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from ingest.adoption.moving import Adoption, Counts
from ingest.store import store

#: Rows of a sample: half of them the first, half of them the last.
SAMPLE_ROWS = 1_000


@dataclass(slots=True)
class Sample:
    """What would become of the rows looked at, and one refusal of each reason."""

    counts: Counts
    examples: dict[str, str] = field(default_factory=dict)


async def sample(adoption: Adoption) -> Sample:
    """Store the first and the last rows, see what becomes of them, and undo it."""
    await adoption.sites.load(adoption.connection)
    messages: dict[tuple[str, ...], tuple[bytes, bytes]] = {}
    for backwards in (False, True):
        piece = await adoption.table.piece(
            adoption.connection, None, limit=SAMPLE_ROWS // 2, backwards=backwards
        )
        if piece is not None:
            messages |= zip(map(tuple, piece.keys), piece.messages, strict=True)
    found = Sample(Counts())
    async with adoption.connection.transaction():
        await adoption.begin_earlier(list(messages.values()))
        batch = await adoption.batch(list(messages.values()))
        found.counts.add(len(messages), await store(adoption.connection, batch))
        for rejected in batch.rejections.values():
            found.examples.setdefault(rejected.reason, rejected.detail)
        raise psycopg.Rollback
    return found
