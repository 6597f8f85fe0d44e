"""One simulated site: its forecourt, its journal and its line to the broker."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from time import time_ns

import msgspec

from ingest import contract
from ingest.contract import LedgerEntry, Status
from ingest.publication import (
    KEPT_LANES,
    Publication,
    encoded_publication,
    ledger_array,
    publication,
)
from ingest.publisher import Publisher
from ingest.simulator.forecourt import Behaviour, Forecourt, Happening, fiscal_day_at
from ingest.simulator.journal import KEPT_DAYS, Journal, JournalError, NewMessage, WaitingMessage
from ingest.simulator.state import DAY_MS, HOUR, MINUTE, SECOND, ForecourtState
from ingest.topics import DAY, LEDGER, STATUS
from ledger.demo_sites import DemoSite

logger = logging.getLogger(__name__)

CONTROLLER = "Forecourt simulator"
#: A site that is further behind lives through the time between without showing it live.
BEHIND_MS_MAX = MINUTE
#: How much of the past is lived through before the event loop gets its turn.
CATCH_UP_STEP_MS = 2 * HOUR
#: A site that was away for longer had been shut, so that a forgotten state file stays harmless.
AWAY_DAYS_MAX = 7
#: Messages taken from the journal at once, and so the entries of one array.
FORWARD_MESSAGES_MAX = 500
#: The longest a site sleeps: nothing waits for it, but a clock that was set is noticed.
SLEEP_MS_MAX = 30 * SECOND

_decode_state = msgspec.json.Decoder(ForecourtState).decode
_decode_resend = msgspec.json.Decoder(contract.Resend).decode
_decode_resend_since = msgspec.json.Decoder(contract.ResendSince).decode
_encode = msgspec.json.Encoder().encode


def real_now() -> int:
    """Milliseconds since 1970."""
    return time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a fleet is to be played. `clock` returns milliseconds since 1970."""

    seed: int
    pace: float
    history_days: int
    behaviour: Behaviour
    clock: Callable[[], int] = real_now


def status(site_code: str, *, online: bool, at: int) -> Publication:
    """Return a site's status, as published and as its last will."""
    moment = datetime.datetime.fromtimestamp(at / SECOND, datetime.UTC)
    return publication(site_code, STATUS, Status(online=online, at=moment, controller=CONTROLLER))


class SimulatedSite:
    """Plays one site until stopped.

    Three tasks: `live` lets the forecourt live and writes what happens to the journal, `forward`
    sends what waits there, `announce` says that the site is online and how its pumps stand.
    `has_own_line` says that the connection is this site's alone, so that an outage may cut it.
    """

    def __init__(
        self,
        site: DemoSite,
        *,
        plan: Plan,
        journal: Journal,
        publisher: Publisher,
        has_own_line: bool,
    ) -> None:
        self.code = site.spec.code
        self._plan = plan
        self._journal = journal
        self._publisher = publisher
        self._has_own_line = has_own_line
        self._to_forward = asyncio.Event()
        self._to_forward.set()  # whatever an earlier run has left
        self._to_announce = asyncio.Event()
        self._is_current = asyncio.Event()
        self._link_up = asyncio.Event()
        self._stopping = asyncio.Event()
        self._forecourt = self._resume(site)
        self._link_up.set()
        self._follow_link()  # an outage may have begun before a restart

    def connected(self) -> None:
        """Hear that the connection is there (again)."""
        self._to_announce.set()

    def stop(self) -> None:
        """Ask `run` to come to its end."""
        self._stopping.set()

    def command(self, payload: bytes) -> None:
        """Do what the console asks: send entries again, or all since a day."""
        try:
            self._send_again(payload)
        except msgspec.DecodeError as error:
            logger.warning("%s: a command that is none: %s", self.code, error)
            return
        self._to_forward.set()

    def _send_again(self, payload: bytes) -> None:
        try:
            since = _decode_resend_since(payload).since
        except msgspec.ValidationError:
            resend = _decode_resend(payload)
            self._journal.send_again(self.code, resend.fiscal_day, resend.ranges)
        else:
            self._journal.send_again_since(self.code, since)

    async def run(self) -> None:
        """Live until stopped; then say that the site is offline."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(self._forward()), tasks.create_task(self._announce())]
            await self._live()
            for helper in helpers:
                helper.cancel()
        if self._publisher.is_connected:  # else the last will has said so
            await self._publisher.publish(status(self.code, online=False, at=self._plan.clock()))

    # --- Living --------------------------------------------------------------------------------

    def _resume(self, site: DemoSite) -> Forecourt:
        """Go on where the journal ends, or begin with the first day of the history."""
        plan = self._plan
        kept = self._journal.state(self.code)
        if kept is None:
            first = fiscal_day_at(site, plan.clock()) - datetime.timedelta(days=plan.history_days)
            forecourt, happenings = Forecourt.fresh(
                site, seed=plan.seed, fiscal_day=first, behaviour=plan.behaviour
            )
            self._keep(forecourt, happenings)
            return forecourt
        seed, state = kept
        if seed != plan.seed:
            raise JournalError(
                f"The simulator's state was begun with seed {seed}, not {plan.seed}. Use that "
                "seed, or another file with --state."
            )
        try:
            decoded = _decode_state(state)
        except msgspec.DecodeError as error:
            raise JournalError(f"The state of {self.code} cannot be read: {error}.") from error
        return Forecourt(site, seed=seed, state=decoded, behaviour=plan.behaviour)

    async def _live(self) -> None:
        forecourt, clock = self._forecourt, self._plan.clock
        while not self._stopping.is_set():
            now = clock()
            if now - forecourt.state.now > BEHIND_MS_MAX:
                self._is_current.clear()
                await self._catch_up(now)
                self._to_announce.set()
                continue
            self._is_current.set()
            happenings = forecourt.advance(now, pace=self._plan.pace, live=True)
            self._keep(forecourt, happenings)
            self._follow_link()
            for shown in happenings:
                if shown.lane not in KEPT_LANES:
                    await self._publisher.publish_live(self._publication(shown))
            await self._sleep_until(forecourt.next_at)

    async def _catch_up(self, now: int) -> None:
        """Live through what lies behind, at its own pace, as fast as the machine allows."""
        forecourt = self._forecourt
        if now - forecourt.state.now > AWAY_DAYS_MAX * DAY_MS:
            self._keep(forecourt, forecourt.rest_until(now - AWAY_DAYS_MAX * DAY_MS))
        while forecourt.state.now < now and not self._stopping.is_set():
            step_to = min(now, forecourt.state.now + CATCH_UP_STEP_MS)
            self._keep(forecourt, forecourt.advance(step_to))
            await asyncio.sleep(0)  # others live too
        self._follow_link()

    async def _sleep_until(self, at: int) -> None:
        pause_ms = min(at - self._plan.clock(), SLEEP_MS_MAX)
        try:
            async with asyncio.timeout(max(0, pause_ms) / SECOND):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _keep(self, forecourt: Forecourt, happenings: Sequence[Happening]) -> None:
        """Write what must not be lost, before anybody hears of it."""
        messages = [
            _new_message(happening, forecourt.state.day.fiscal_day)
            for happening in happenings
            if happening.lane in KEPT_LANES
        ]
        if not messages:
            return
        self._journal.keep(
            self.code, seed=self._plan.seed, state=_encode(forecourt.state), messages=messages
        )
        self._to_forward.set()
        if any(message.lane == DAY for message in messages):
            today = forecourt.state.day.fiscal_day
            self._journal.forget_before(self.code, today - datetime.timedelta(days=KEPT_DAYS))

    def _follow_link(self) -> None:
        """Cut or restore the line when the forecourt says so."""
        is_up = self._forecourt.link_is_up
        if is_up == self._link_up.is_set():
            return
        if is_up:
            self._link_up.set()
            self._publisher.restore()
        else:
            self._link_up.clear()
            if self._has_own_line:
                self._publisher.cut()  # the broker publishes the last will
        self._to_announce.set()

    # --- Sending -------------------------------------------------------------------------------

    async def _forward(self) -> None:
        """Send what waits in the journal, oldest first, entries in arrays where there are many."""
        while True:
            await self._to_forward.wait()
            await self._link_up.wait()
            messages = self._journal.waiting(self.code, FORWARD_MESSAGES_MAX)
            if not messages:
                self._to_forward.clear()
                continue
            await asyncio.gather(
                *(self._publisher.publish(item) for item in _packed(self.code, messages))
            )
            self._journal.acknowledged(messages)

    async def _announce(self) -> None:
        """Say that the site is there and how it stands, whenever it has (re)appeared."""
        while True:
            await self._to_announce.wait()
            await self._is_current.wait()
            if self._forecourt.link_is_up:
                await self._publisher.wait_connected()
            self._to_announce.clear()
            is_up = self._forecourt.link_is_up
            if not is_up and self._has_own_line:
                continue  # its last will has said so
            now = self._plan.clock()
            await self._publisher.publish(status(self.code, online=is_up, at=now))
            if is_up:
                for shown in self._forecourt.snapshot():
                    await self._publisher.publish_live(self._publication(shown))

    def _publication(self, happening: Happening) -> Publication:
        return publication(self.code, happening.lane, happening.message, device=happening.device)


def _new_message(happening: Happening, fiscal_day: datetime.date) -> NewMessage:
    message, sequence = happening.message, None
    if isinstance(message, LedgerEntry):
        fiscal_day, sequence = message.fiscal_day, message.sequence
    return NewMessage(
        happening.lane, fiscal_day, sequence, contract.encode(message), waiting=not happening.lost
    )


def _packed(site_code: str, messages: Sequence[WaitingMessage]) -> Iterator[Publication]:
    """Yield the messages in their order, neighbouring entries as one array."""
    for lane, group in groupby(messages, key=lambda message: message.lane):
        payloads = [message.payload for message in group]
        if lane == LEDGER:
            yield ledger_array(site_code, payloads)
        else:
            for payload in payloads:
                yield encoded_publication(site_code, lane, payload)
