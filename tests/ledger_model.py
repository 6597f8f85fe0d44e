"""What the contract makes of messages, in the plainest way: the ledger's tests compare with it.

Written from the event contract and not from the worker. It knows no batches, no transactions and
no locks: messages come one after the other, entries stand in a dict, and totals are added up anew
whenever somebody asks.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

CENT = Decimal("0.01")
KINDS = {"sale": 1, "refund": 2, "test": 3, "drive_off": 4}
PAYMENTS = {"cash": 1, "card": 2, "fuel_card": 3, "account": 4, "app": 5, "other": 6}
AMOUNT, PRODUCT, POINT, FAR, FUTURE, JUMP = 1, 2, 4, 8, 16, 32
SIGN, BELOW_ZERO, NO_LITRES = 128, 256, 512
#: The tests make the database itself refuse this sequence, whatever the entry says.
REFUSED_SEQUENCE = 13

DayKey = tuple[str, datetime.date]
EntryKey = tuple[str, datetime.date, int]


class Site(NamedTuple):
    """A registered site."""

    timezone: str
    products: frozenset[str]
    fuelling_points: frozenset[int]


class Entry(NamedTuple):
    """The contract's fields of an entry, absent ones as None."""

    fiscal_day: datetime.date
    sequence: int
    kind: str
    occurred_at: datetime.datetime
    product: str
    amount: Decimal
    volume: Decimal | None = None
    volume_15c: Decimal | None = None
    unit_price: Decimal | None = None
    fuelling_point: int | None = None
    nozzle: int | None = None
    tank: int | None = None
    tax_rate: Decimal | None = None
    payment: str | None = None
    device_transaction: int | None = None
    totalizer: Decimal | None = None
    offline: bool = False

    @property
    def content(self) -> Entry:
        """What makes a repeat: no volume and a volume of 0 say the same, in both places."""
        return self._replace(volume=self.volume or Decimal(0), volume_15c=self.volume_15c or None)


class Declaration(NamedTuple):
    """A fiscal day opened, or closed; `totals` is what the site declared by product."""

    event: str
    fiscal_day: datetime.date
    at: datetime.datetime
    last_sequence: int | None = None
    totals: tuple[tuple[str, int], ...] = ()


class Refused(NamedTuple):
    """What is no entry and no declaration, and why."""

    reason: str


class Item(NamedTuple):
    """One thing that a message says, and its bytes."""

    raw: bytes
    says: Entry | Declaration | Refused


class Message(NamedTuple):
    """A message: several items if it is an array."""

    topic: str
    payload: bytes
    items: tuple[Item, ...]

    @property
    def site(self) -> str:
        """The site that the topic names."""
        return self.topic.split("/")[2]


@dataclass
class Day:
    """What is known of a fiscal day beside its entries."""

    declared: dict[str, Declaration] = field(default_factory=dict)
    is_sealed: bool = False
    #: Whether each entry so far continued the day, without a gap.
    in_order: bool = True


class Model:
    """The ledger and the quarantine as they should be."""

    def __init__(self, sites: dict[str, Site], *, now: datetime.datetime) -> None:
        self.sites = sites
        self.now = now
        self.entries: dict[EntryKey, Entry] = {}
        self.flags: dict[EntryKey, int] = {}
        #: Whether the meter jumped; None where the contract lets nobody be sure.
        self.jumps: dict[EntryKey, bool | None] = {}
        #: A flag that may be set, where nobody is sure that it must be.
        self.may_jump: dict[EntryKey, bool] = {}
        self.days: defaultdict[DayKey, Day] = defaultdict(Day)
        self.quarantine: Counter[tuple[str, str, bytes]] = Counter()
        self.duplicates = 0

    # --- what happens -----------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """A message's outcome was committed."""
        if message.site not in self.sites:
            unread = {item.says.reason for item in message.items if isinstance(item.says, Refused)}
            if not unread & {"unknown_topic", "oversize"}:
                self.quarantine[message.topic, "unknown_site", message.payload] += 1
                return
        for item in message.items:
            if isinstance(item.says, Entry):
                reason = self._take_entry(message.site, item.says)
            elif isinstance(item.says, Declaration):
                reason = self._take_declaration(message.site, item.says)
            else:
                reason = item.says.reason
            if reason:
                self.quarantine[message.topic, reason, item.raw] += 1

    def seal(self, site: str, fiscal_day: datetime.date) -> None:
        """The office accepted a day."""
        self.days[site, fiscal_day].is_sealed = True

    def _take_entry(self, site: str, entry: Entry) -> str:
        key = (site, entry.fiscal_day, entry.sequence)
        known = self.entries.get(key)
        if known is not None:
            if known.content != entry.content:
                return "conflicting_duplicate"
            self.duplicates += 1
            return ""
        day = self.days[site, entry.fiscal_day]
        if day.is_sealed:
            return "day_sealed"
        if entry.sequence == REFUSED_SEQUENCE:
            return "invalid"
        self.flags[key] = self._flags(self.sites[site], entry)
        self._judge_meter(site, entry, day)
        self.entries[key] = entry
        return ""

    def _take_declaration(self, site: str, declaration: Declaration) -> str:
        day = self.days[site, declaration.fiscal_day]
        known = day.declared.get(declaration.event)
        if known is not None:
            if known != declaration:
                return "conflicting_duplicate"
            self.duplicates += 1
            return ""
        if day.is_sealed:
            return "day_sealed"
        day.declared[declaration.event] = declaration
        return ""

    def _flags(self, site: Site, entry: Entry) -> int:
        flags = 0
        is_refund = entry.kind == "refund"
        if entry.volume and entry.unit_price is not None:
            made = entry.volume * entry.unit_price
            off = abs((-abs(made) if is_refund else made) - entry.amount)
            flags |= AMOUNT if off > Decimal("0.50") else 0  # the tests make no close cases
        elif entry.unit_price and entry.amount:
            flags |= NO_LITRES
        flags |= SIGN if (entry.amount > 0 if is_refund else entry.amount < 0) else 0
        if not is_refund and any((litres or 0) < 0 for litres in (entry.volume, entry.volume_15c)):
            flags |= BELOW_ZERO
        flags |= PRODUCT if entry.product not in site.products else 0
        if entry.fuelling_point is not None and entry.fuelling_point not in site.fuelling_points:
            flags |= POINT
        days = abs((entry.occurred_at.date() - entry.fiscal_day).days)
        flags |= FAR if days > 2 else 0
        flags |= FUTURE if entry.occurred_at > self.now else 0
        return flags

    def _judge_meter(self, site: str, entry: Entry, day: Day) -> None:
        """A meter moves by what was sold, as long as nothing is missing in between."""
        key = (site, entry.fiscal_day, entry.sequence)
        held = {n for s, d, n in self.entries if (s, d) == key[:2]}
        newest_day = max((d for s, d, _ in self.entries if s == site), default=entry.fiscal_day)
        day.in_order = day.in_order and entry.sequence == len(held) + 1
        before = [
            self.entries[*key[:2], n]
            for n in sorted(held)
            if n < entry.sequence and self._nozzle(self.entries[*key[:2], n]) == self._nozzle(entry)
        ]
        jumped = (
            entry.nozzle is not None
            and entry.kind != "refund"
            and bool(before)
            and entry.totalizer is not None
            and before[-1].totalizer is not None
            and entry.totalizer - before[-1].totalizer != (entry.volume or 0)
        )
        certain = day.in_order and entry.fiscal_day >= newest_day
        self.jumps[key] = jumped if certain else None
        self.may_jump[key] = jumped

    @staticmethod
    def _nozzle(entry: Entry) -> tuple[int | None, int | None]:
        return entry.fuelling_point, entry.nozzle

    # --- what it adds up to -----------------------------------------------------------------

    def day_totals(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """(site, day, product, kind, tax rate or -1) to count, volume, amount and tax."""
        totals: dict[tuple[Any, ...], list[Any]] = {}
        for (site, fiscal_day, _), entry in self.entries.items():
            rate = entry.tax_rate or Decimal(0)
            tax = (entry.amount * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)
            key_rate = Decimal(-1) if entry.tax_rate is None else entry.tax_rate
            key = (site, fiscal_day, entry.product, KINDS[entry.kind], key_rate)
            _add(totals, key, 1, entry.volume or Decimal(0), entry.amount, tax)
        return {key: tuple(sums) for key, sums in totals.items()}

    def payment_totals(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """(site, day, payment or 0, kind) to count, volume and amount."""
        totals: dict[tuple[Any, ...], list[Any]] = {}
        for (site, fiscal_day, _), entry in self.entries.items():
            payment = PAYMENTS[entry.payment] if entry.payment else 0
            key = (site, fiscal_day, payment, KINDS[entry.kind])
            _add(totals, key, 1, entry.volume or Decimal(0), entry.amount)
        return {key: tuple(sums) for key, sums in totals.items()}

    def hour_totals(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """(site, day, hour on the site's clock) to the turnover's count, volume and amount."""
        totals: dict[tuple[Any, ...], list[Any]] = {}
        for (site, fiscal_day, _), entry in self.entries.items():
            if entry.kind in {"sale", "refund"}:
                hour = entry.occurred_at.astimezone(ZoneInfo(self.sites[site].timezone)).hour
                _add(
                    totals,
                    (site, fiscal_day, hour),
                    *(1, entry.volume or Decimal(0), entry.amount),
                )
        return {key: tuple(sums) for key, sums in totals.items()}

    def day_rows(self) -> dict[DayKey, tuple[Any, ...]]:
        """(site, day) to its counters and what the site declared, of days that have any."""
        rows: dict[DayKey, tuple[Any, ...]] = {}
        for key, day in self.days.items():
            entries = [entry for (*k, _), entry in self.entries.items() if tuple(k) == key]
            opened, closed = day.declared.get("opened"), day.declared.get("closed")
            if entries or day.declared:
                rows[key] = (
                    len(entries),
                    max((entry.sequence for entry in entries), default=0),
                    max((entry.occurred_at for entry in entries), default=None),
                    opened and opened.at,
                    closed and closed.at,
                    closed and closed.last_sequence,
                    day.is_sealed,
                )
        return rows

    def declared_totals(self) -> dict[tuple[Any, ...], int]:
        """(site, day, product) to the count that the site declared."""
        return {
            (*key, product): count
            for key, day in self.days.items()
            if (closed := day.declared.get("closed"))
            for product, count in closed.totals
        }


def _add(totals: dict[tuple[Any, ...], list[Any]], key: tuple[Any, ...], *values: Any) -> None:
    known = totals.setdefault(key, [0] * len(values))
    known[:] = [a + b for a, b in zip(known, values, strict=True)]
