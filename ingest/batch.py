"""What one transaction stores, and what is acknowledged once it is committed."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ingest.contract import LedgerEntry
from ingest.rows import Row
from ingest.sites import SiteConfig
from ingest.topics import Route
from ingest.totals import DayAdditions

#: A batch is handed on once it holds this much of anything.
BATCH_ENTRIES_MAX = 5_000
BATCH_MESSAGES_MAX = 5_000
BATCH_BYTES_MAX = 8 * 1024 * 1024
#: How much of a refusal's explanation is kept: it may quote what was refused.
DETAIL_CHARS_MAX = 500
#: How much of an oversized payload, or of one on an unknown topic, is kept.
FIRST_BYTES = 4_096


#: Where an entry came from: its route, its site, its message's bytes, its place there if that is
#: an array, what looks wrong about it, and itself. A plain tuple, because each entry has one.
Origin = tuple[Route, SiteConfig, bytes, int | None, int, LedgerEntry]


class Forgotten(NamedTuple):
    """The site had its status forgotten: an empty retained payload, MQTT's way to clear."""


class Event(NamedTuple):
    """A message other than an entry that is stored in the batch's transaction."""

    route: Route
    site_id: int
    value: Any
    raw: bytes
    #: Of the message itself, since the newest wins; that of a batch is of its first message.
    received_at: datetime.datetime


@dataclass(slots=True)
class Rejection:
    """A row for quarantine. `seen` counts how often it came within the batch."""

    topic: str
    site_id: int | None
    reason: str
    detail: str
    raw: bytes
    raw_size: int
    digest: bytes
    item_index: int | None = None
    fiscal_day: datetime.date | None = None
    sequence: int | None = None
    seen: int = 1


def rejection(
    route: Route,
    reason: str,
    detail: str,
    raw: bytes,
    *,
    site_id: int | None = None,
    item_index: int | None = None,
    raw_size: int | None = None,
    first_bytes_only: bool = False,
    by_topic_only: bool = False,
) -> Rejection:
    """Make a rejection.

    With `by_topic_only` all rejections of a topic and reason are one: for the live lanes of an
    unknown site, which say something new every second and may skip to the newest value.
    """
    digest = hashlib.sha256(f"{route.topic}\0{reason}\0".encode())
    if not by_topic_only:
        digest.update(raw)
    return Rejection(
        topic=route.topic,
        site_id=site_id,
        reason=reason,
        detail=_shortened(detail).replace("\x00", "\\x00"),
        raw=raw[:FIRST_BYTES] if first_bytes_only else raw,
        raw_size=len(raw) if raw_size is None else raw_size,
        digest=digest.digest(),
        item_index=item_index,
    )


def _shortened(text: str) -> str:
    """Return the text, or its beginning and end when it is too long: both say what was wrong."""
    if len(text) <= DETAIL_CHARS_MAX:
        return text
    half = DETAIL_CHARS_MAX // 2
    return f"{text[:half]} … {text[-half:]}"


class DayEntries:
    """The entries that a batch holds of one fiscal day, and what they add to it if all are new."""

    __slots__ = ("additions", "is_ascending", "is_metered", "lowest", "places")

    def __init__(self, timezone: str) -> None:
        self.additions = DayAdditions(timezone)
        #: Where they stand in the batch.
        self.places: list[int] = []
        self.lowest = 0
        #: Whether each came after those of lower sequence, and none twice.
        self.is_ascending = True
        #: Whether one says where a meter stands.
        self.is_metered = False

    def add(self, place: int, entry: LedgerEntry) -> None:
        """Add an entry."""
        if not self.places:
            self.lowest = entry.sequence
        elif entry.sequence <= self.additions.highest:
            self.is_ascending = False
        if entry.totalizer is not None:
            self.is_metered = True
        self.places.append(place)
        self.additions.add(entry)

    def follow(self, highest: int) -> bool:
        """Tell whether none of them can be in a day that holds none above `highest`."""
        return self.is_ascending and self.lowest > highest


@dataclass(slots=True)
class Batch:
    """Decoded messages on their way into one transaction."""

    #: When the first message was received (`Intake.take`); it stands in every entry of the batch.
    received_at: datetime.datetime = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC)
    )
    rows: list[Row] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    rejections: dict[bytes, Rejection] = field(default_factory=dict)
    #: Messages of sites that are not in memory, or of days before the first one that is remembered
    #: of their site: settled once the database was asked. With the time that each counts as
    #: received.
    strangers: list[tuple[Route, bytes, datetime.datetime]] = field(default_factory=list)
    #: How many entries those hold that were read already: each becomes a row or a rejection.
    stranger_entries: int = 0
    #: By site and fiscal day; without entries where a day was only opened or closed.
    days: dict[tuple[int, datetime.date], DayEntries] = field(default_factory=dict)
    packet_ids: list[int] = field(default_factory=list)
    #: Of live states: acknowledged once the round that writes them is committed too.
    live_packet_ids: list[int] = field(default_factory=list)
    messages: int = 0
    bytes: int = 0
    #: (time.perf_counter() of receipt, how many messages)
    receipts: list[tuple[float, int]] = field(default_factory=list)
    occurred_at: list[float] = field(default_factory=list)
    #: The quarantined message that it replays, None where it is fresh.
    replay_of: int | None = None

    def __bool__(self) -> bool:
        return self.messages > 0

    def day(self, site: SiteConfig, fiscal_day: datetime.date) -> DayEntries:
        """Return what the batch holds of a fiscal day, which it will lock."""
        day = self.days.get((site.id, fiscal_day))
        if day is None:
            day = self.days[site.id, fiscal_day] = DayEntries(site.timezone)
        return day

    @property
    def has_anything_to_store(self) -> bool:
        """Whether a transaction is needed before the messages may be acknowledged."""
        return bool(self.rows or self.events or self.rejections)

    @property
    def has_enough_items(self) -> bool:
        """Whether its entries, good and bad, are as many as one transaction should take."""
        items = len(self.rows) + len(self.rejections) + self.stranger_entries
        return items >= BATCH_ENTRIES_MAX

    @property
    def is_full(self) -> bool:
        """Whether the batch should be stored before it takes more."""
        return (
            self.has_enough_items
            or self.messages >= BATCH_MESSAGES_MAX
            or self.bytes >= BATCH_BYTES_MAX
        )

    def reject(self, rejected: Rejection) -> None:
        """Add a rejection; the same one again is counted."""
        known = self.rejections.get(rejected.digest)
        if known is None:
            self.rejections[rejected.digest] = rejected
        else:
            known.seen += 1
