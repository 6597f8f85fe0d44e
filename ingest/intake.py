"""Messages into batches: route, decode, flag; or reject with the exact reason."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ingest import decode, topics
from ingest.batch import BATCH_BYTES_MAX, Batch, DayEntries, Event, Forgotten, rejection
from ingest.contract import PAYLOAD_BYTES_MAX, DayClosed, DayOpened, LedgerEntry
from ingest.decode import Fault
from ingest.mqtt import Beginning
from ingest.rows import CLOCK_AHEAD_MAX, entry_flags, entry_row
from ledger.plausible import Span, last_plausible_day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.live import LiveStates
    from ingest.mqtt import Message
    from ingest.sites import SiteConfig, SiteRegistry
    from ingest.topics import Route

#: After so many entries others get their turn, however many messages are at hand: an array may
#: hold a thousand.
SLICE_ENTRIES = 256

OVERSIZE = "oversize"
IMPLAUSIBLE_DAY = "implausible_day"
UNKNOWN_SITE = "unknown_site"
UNKNOWN_TOPIC = "unknown_topic"

_LIVE_LANES = frozenset({topics.PUMPS, topics.TANKS})
#: Whose states a site has forgotten by an empty payload.
_RETAINED_LANES = _LIVE_LANES | {topics.STATUS}
_EVENT_DECODERS: dict[str, Callable[[bytes], object]] = {
    topics.DAY: decode.decode_day,
    topics.DELIVERIES: decode.decode_delivery,
    topics.ALARMS: decode.decode_alarm,
    topics.STATUS: decode.decode_status,
}


class _OutdatedSiteError(Exception):
    """A message that would be refused by what the worker remembers of its site."""

    def __init__(self, entries: int) -> None:
        super().__init__()
        #: How many entries it holds.
        self.entries = entries


class Intake:
    """Turns messages into what a batch stores."""

    def __init__(
        self,
        sites: SiteRegistry,
        live: LiveStates,
        share: topics.Share = topics.ALL_SITES,
    ) -> None:
        self._sites = sites
        self._live = live
        self._table = topics.TopicTable(share)
        #: Messages since somebody last set it to 0, but for those that were passed by.
        self.received = 0
        #: When the messages at hand count as received.
        self._told_at = datetime.datetime.now(datetime.UTC)
        self._is_settling = False

    def take(
        self,
        batch: Batch,
        received_at: float,
        messages: Sequence[Message],
        *,
        told_at: datetime.datetime | None = None,
    ) -> int:
        """Add messages to the batch. Returns how many were taken, at least one.

        Not all are if the batch gets full, or if they hold more than SLICE_ENTRIES entries. Live
        states go to the live writer. `received_at` is `time.perf_counter()` seconds. `told_at` is
        when states and events count as received, and days are judged by, if that is not now.
        """
        now = datetime.datetime.now(datetime.UTC)
        self._told_at = told_at or now
        if not batch:
            batch.received_at = now
        self._date(batch)
        route_of = self._table.route
        sites = self._sites.by_code
        taken = passed_by = size = 0
        entries_end = len(batch.rows) + SLICE_ENTRIES
        for topic, payload, packet_id in messages:
            route = route_of(topic)
            taken += 1
            size += len(payload)
            site = sites.get(route.site_code)
            if packet_id:
                ids = batch.live_packet_ids if route.lane in _LIVE_LANES else batch.packet_ids
                ids.append(packet_id)
            if route.lane in topics.PASSED_BY:
                passed_by += 1
                continue
            if route.problem or len(payload) > PAYLOAD_BYTES_MAX:
                self._reject_unread(batch, route, payload)
            elif site is None:
                batch.strangers.append((route, payload, self._told_at))
            else:
                self._decode(batch, route, site, payload)
                if len(batch.rows) >= entries_end or batch.has_enough_items:
                    break
            if batch.bytes + size >= BATCH_BYTES_MAX:
                break
        batch.messages += taken
        batch.bytes += size
        if taken > passed_by:
            batch.receipts.append((received_at, taken - passed_by))
            self.received += taken - passed_by
        return taken

    def _date(self, batch: Batch) -> None:
        """Work with the batch's time of receipt."""
        self._received_at = str(batch.received_at)
        self._latest = batch.received_at + CLOCK_AHEAD_MAX

    def settle_strangers(self, batch: Batch) -> None:
        """Take the messages of sites that the database knows, and reject the others."""
        self._date(batch)
        strangers, batch.strangers = batch.strangers, []
        batch.stranger_entries = 0
        self._is_settling = True
        try:
            self._settle(batch, strangers)
        finally:
            self._is_settling = False

    def _settle(
        self, batch: Batch, strangers: list[tuple[Route, bytes, datetime.datetime]]
    ) -> None:
        for route, payload, self._told_at in strangers:
            site = self._sites.by_code.get(route.site_code)
            if site is not None:
                self._decode(batch, route, site, payload)
                continue
            if _is_cleared(route, payload):
                continue  # nothing is known of it, so nothing is to be forgotten
            batch.reject(
                rejection(
                    route,
                    UNKNOWN_SITE,
                    f"no site is registered under the code {route.site_code!r}",
                    payload,
                    by_topic_only=route.lane in _LIVE_LANES,
                )
            )

    def _reject_unread(self, batch: Batch, route: Route, payload: bytes) -> None:
        site = self._sites.by_code.get(route.site_code)
        size = payload.size if isinstance(payload, Beginning) else len(payload)
        if route.problem:
            reason, detail = UNKNOWN_TOPIC, f"{route.topic}: {route.problem}"
        else:
            reason = OVERSIZE
            detail = f"a payload of {size} bytes; at most {PAYLOAD_BYTES_MAX} are taken"
        batch.reject(
            rejection(
                route,
                reason,
                detail,
                payload,
                site_id=site and site.id,
                raw_size=size,
                first_bytes_only=True,
            )
        )

    def _decode(self, batch: Batch, route: Route, site: SiteConfig, payload: bytes) -> None:
        lane = route.lane
        if _is_cleared(route, payload):
            self._forget(batch, route, site)
            return
        self._live.heard(site.id)
        try:
            if lane == topics.LEDGER:
                if decode.is_array(payload):
                    self._decode_array(batch, route, site, payload)
                else:
                    entry = decode.decode_entry(payload)
                    self._stage(batch, route, site, entry, payload, None)
            elif lane == topics.PUMPS:
                pump = decode.decode_pump(payload)
                self._live.pump(site.id, route.device, pump, self._told_at)
            elif lane == topics.TANKS:
                gauge = decode.decode_tank(payload)
                self._live.tank(site.id, route.device, gauge, self._told_at)
            elif lane == topics.PRICES:
                # Checked, so that a site hears of its faults; nothing is made of them yet. An
                # empty payload clears the retained ones.
                if payload:
                    decode.decode_prices(payload)
            else:
                value = _EVENT_DECODERS[lane](payload)
                if isinstance(value, DayOpened | DayClosed) and not self._day(
                    batch, route, site, value, payload
                ):
                    return
                batch.events.append(Event(route, site.id, value, payload, self._told_at))
        except Fault as fault:
            batch.reject(rejection(route, fault.reason, fault.detail, payload, site_id=site.id))
        except _OutdatedSiteError as outdated:
            batch.strangers.append((route, payload, self._told_at))
            batch.stranger_entries += outdated.entries

    def _forget(self, batch: Batch, route: Route, site: SiteConfig) -> None:
        """Have a state forgotten. Anybody may clear a topic: the site is not heard by it."""
        if route.lane == topics.PUMPS:
            self._live.forget_pump(site.id, route.device)
        elif route.lane == topics.TANKS:
            self._live.forget_tank(site.id, route.device)
        else:
            batch.events.append(Event(route, site.id, Forgotten(), b"", self._told_at))

    def _decode_array(self, batch: Batch, route: Route, site: SiteConfig, payload: bytes) -> None:
        """Take the good items of an array; each bad one is rejected by itself."""
        items = decode.decode_entries(payload)
        for found in items:
            if not isinstance(found, Fault):
                self._ask_about_past(site, found.fiscal_day, len(items))
        for index, found in enumerate(items):
            if isinstance(found, Fault):
                batch.reject(
                    rejection(
                        route,
                        found.reason,
                        found.detail,
                        decode.items_of(payload)[index],
                        site_id=site.id,
                        item_index=index,
                    )
                )
            else:
                self._stage(batch, route, site, found, payload, index)

    def _stage(
        self,
        batch: Batch,
        route: Route,
        site: SiteConfig,
        entry: LedgerEntry,
        raw: bytes,
        item_index: int | None,
    ) -> None:
        day = self._day(batch, route, site, entry, raw, item_index)
        if day is None:
            return
        flags = entry_flags(entry, site, self._latest)
        day.add(len(batch.rows), entry)
        batch.rows.append(entry_row(site.id, entry, flags, self._received_at))
        batch.origins.append((route, site, raw, item_index, flags, entry))
        batch.occurred_at.append(entry.occurred_at.timestamp())

    def _day(
        self,
        batch: Batch,
        route: Route,
        site: SiteConfig,
        value: LedgerEntry | DayOpened | DayClosed,
        raw: bytes,
        item_index: int | None = None,
    ) -> DayEntries | None:
        """Return what the batch holds of a message's fiscal day.

        None where the site cannot have such a day: the message is then rejected, and nothing is
        made for the day. It is judged when the batch first hears of the day, not for each entry.
        """
        fiscal_day = value.fiscal_day
        known = batch.days.get((site.id, fiscal_day))
        if known is not None:
            return known
        self._ask_about_past(site, fiscal_day, 1)
        span = Span(site.first_day, self._last_day(site.timezone))
        if span.holds(fiscal_day):
            return batch.day(site, fiscal_day)
        if fiscal_day < span.first:
            detail = f"the fiscal day {fiscal_day} is before the site's first, {span.first}"
        else:
            detail = f"the fiscal day {fiscal_day} is later than {span.last}"
        if item_index is not None:
            raw = decode.items_of(raw)[item_index]
        rejected = rejection(
            route, IMPLAUSIBLE_DAY, detail, raw, site_id=site.id, item_index=item_index
        )
        rejected.fiscal_day = fiscal_day
        rejected.sequence = getattr(value, "sequence", None)
        batch.reject(rejected)
        return None

    def _ask_about_past(self, site: SiteConfig, fiscal_day: datetime.date, entries: int) -> None:
        """Raise where the site's first day may have been moved since the site was read.

        `entries` is how many the message holds.
        """
        if fiscal_day < site.first_day and not self._is_settling:
            raise _OutdatedSiteError(entries)

    def _last_day(self, timezone: str) -> datetime.date:
        """Return the last day that a site could have when it was heard: released later, too.

        What came too early would else take the numbers of the day that comes then.
        """
        return last_plausible_day(ZoneInfo(timezone), self._told_at)


def _is_cleared(route: Route, payload: bytes) -> bool:
    """Tell whether a message is MQTT's way to clear a retained one."""
    return not payload and route.lane in _RETAINED_LANES
