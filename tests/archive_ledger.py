"""A small ledger with everything in it that makes a seal hard to compute again, for its archives.

Two sites send their days through the intake and the store of the ingest: one in London, whose clock
goes back in its second day, and one on Lord Howe Island, whose clock moves by half an hour. There
are refunds, tests, drive-offs, entries without tax, payment or nozzle; corrections of open, closed
and sealed days, voids, entries added by hand, proposals that were rejected and withdrawn; a day
that is sealed behind later ones; quarantined messages and texts that a file has to escape.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import random
from decimal import Decimal
from typing import Any

from django.db import transaction

from console.models import Role
from ingest.batch import Batch
from ingest.database import make_pool
from ingest.intake import Intake
from ingest.live import LiveStates
from ingest.sites import SiteRegistry
from ingest.store import store
from ledger.models import Correction, DaySeal, FiscalDay, Quarantine, QuarantineDecision, Site
from ledger.selectors.corrections import effective_entry
from ledger.services.audit import audit_record
from ledger.services.corrections import (
    Draft,
    correction_approve,
    correction_propose,
    correction_reject,
    correction_withdraw,
)
from ledger.services.month_totals import months_sum_up
from tests.factories import make_forecourt, make_quarantined, make_user
from tests.sealing import explain_all, forget_signatures, sealed, tamper

#: The first day of the two sites; London's clock goes back on the next one.
FIRST = datetime.date(2026, 10, 24)
SECOND, THIRD, FOURTH, OPEN = (FIRST + datetime.timedelta(days=number) for number in range(1, 5))
ENTRIES = 30
MISSING = 7
#: What a file has to tell apart: NULL, a text of these two characters, quotes, breaks, formulas.
STRANGE = '\\N "so", Ü\n=1+1\ttab \\'
#: Lines that documents of the first version do not have.
LATER_LINES = {"declarations", "delivery", "metering", "allowance", "nozzle", "tank"}
_ADDED = {
    "kind": 1,
    "product": "E10",
    "amount": Decimal("10.00"),
    "volume": Decimal("6.761"),
    "unit_price": Decimal("1.4790"),
    "tax_rate": Decimal(20),
}


class ArchiveLedger:
    """Makes the ledger as it is written; `sites` are its two."""

    def __init__(self) -> None:
        self._chance = random.Random(20261024)
        self.author, self.approver = make_user(), make_user(Role.APPROVER, first_name="Zoë")
        zones = {"LON-1": "Europe/London", "LHI-2": "Australia/Lord_Howe"}
        self.sites = [make_forecourt(code, timezone=zone) for code, zone in zones.items()]
        self._messages: list[tuple[str, Any]] = []
        for site in self.sites:
            for day in (FIRST, THIRD, FOURTH, OPEN):
                self._day(site, day)
        self._send()
        for site in self.sites:
            self._correct_and_seal(site)
        self._send_late()
        self._beside()

    # --- what the sites send ----------------------------------------------------------------------

    def _send(self) -> None:
        messages, self._messages = self._messages, []
        asyncio.run(_stored(messages))

    def _publish(self, site: Site, lane: str, payload: Any) -> None:
        self._messages.append((f"forecourt/v1/{site.code}/{lane}", payload))

    def _day(self, site: Site, day: datetime.date) -> None:
        """Send a day as a site does: opened, its entries but one, a delivery, closed."""
        opened = datetime.datetime.combine(day, datetime.time(4, 30), site.zone)
        readings = [
            {"fuelling_point": point, "nozzle": nozzle, "product": product, "volume": "1000.5"}
            for point in (2, 1)
            for nozzle, product in ((1, "E10"), (2, "B7"))
        ]
        dips = [{"tank": 1, "product": "E10", "volume": "9000", "temperature": "11.5"}]
        self._publish(
            site, "day",
            {"event": "opened", "fiscal_day": str(day), "at": opened.isoformat(),
             "totalizers": readings, "dips": dips},
        )  # fmt: skip
        entries = [
            self._entry(site, day, number, opened)
            for number in range(1, ENTRIES + 1)
            if number != MISSING
        ]
        self._publish(site, "ledger", entries)
        at = opened + datetime.timedelta(hours=3, microseconds=250_000)
        self._publish(
            site, "deliveries",
            {"at": at.isoformat(), "tank": 1, "product": "E10", "volume": "5000", "document": "D"},
        )  # fmt: skip
        if day != OPEN:
            self._close(site, day, opened, readings)

    def _close(
        self, site: Site, day: datetime.date, opened: datetime.datetime, readings: list[Any]
    ) -> None:
        closed = opened + datetime.timedelta(hours=24)
        totals = [{"product": "E10", "count": 9, "volume": "300", "amount": "450.1"}]
        self._publish(
            site, "day",
            {"event": "closed", "fiscal_day": str(day), "at": closed.isoformat(),
             "last_sequence": ENTRIES, "totals": totals, "totalizers": readings[:1],
             "dips": [{"tank": 1, "product": "E10", "volume": "8000", "water": "1.2"}]},
        )  # fmt: skip

    def _entry(
        self, site: Site, day: datetime.date, number: int, opened: datetime.datetime
    ) -> dict[str, Any]:
        chance = self._chance
        kind = chance.choice(["sale"] * 6 + ["refund", "test", "drive_off"])
        # Every few minutes around the night in which clocks go back, else over the day.
        at = opened.astimezone(datetime.UTC) + datetime.timedelta(
            minutes=46 * number, microseconds=chance.choice([0, 500_000, 123_456])
        )
        amount = Decimal(chance.randrange(1, 99_99)) / 100
        entry = {
            "fiscal_day": str(day),
            "sequence": number,
            "kind": kind,
            "occurred_at": at.astimezone(site.zone).isoformat(),
            "product": chance.choice(["E10", "B7", "Öl"]),
            "amount": str(-amount if kind == "refund" else amount),
            "volume": chance.choice([str(Decimal(chance.randrange(1, 60_000)) / 1000), None]),
            "unit_price": chance.choice(["1.479", None]),
            "tax_rate": chance.choice(["20", "5.5", "0", None]),
            "payment": chance.choice(["cash", "card", None]),
            "fuelling_point": chance.choice([1, 2]),
            "nozzle": chance.choice([1, 2, None]),
            "offline": chance.choice([True, False]),
        }
        return {name: value for name, value in entry.items() if value is not None}

    # --- what people do ---------------------------------------------------------------------------

    def _correct_and_seal(self, site: Site) -> None:
        first, third, fourth = (self._of(site, day) for day in (FIRST, THIRD, FOURTH))
        # Of a closed day: posted to itself.
        self._corrected(first, 3, product="B7", nozzle=2, note=STRANGE)
        self._corrected(first, 3, amount=Decimal("-4.01"), kind=2)
        self._voided(first, 5)
        self._corrected(first, MISSING, Correction.Action.ADD, **_ADDED)
        self._corrected(first, MISSING, tax_rate=None)
        refused = self._proposed(first, 9, payment=6, note="\\N")
        correction_reject(correction=refused, decided_by=self.approver, note="No.")
        taken_back = self._proposed(first, 9, payment=5)
        correction_withdraw(correction=taken_back, decided_by=self.author)
        self._corrected(first, 9, payment=4)
        self._seal(first)
        # Of a sealed day: posted to the open one, whose hours go on being its own.
        self._corrected(first, 3, amount=Decimal("12.34"), kind=1)
        self._voided(first, 4)
        self._seal(third)
        self._voided(third, 4)
        self._seal(fourth)

    def _send_late(self) -> None:
        """Let London's second day arrive, be sealed behind the later ones, and close the rest."""
        (london, _) = self.sites
        self._day(london, SECOND)
        self._send()
        self._seal(self._of(london, SECOND))
        self._corrected(self._of(london, SECOND), 8, amount=Decimal("7.77"), kind=1)
        (_, island) = self.sites
        self._seal(self._of(island, OPEN))

    def _beside(self) -> None:
        site = self.sites[0]
        message = make_quarantined(site=site, raw=b"\x00 no JSON")
        make_quarantined(raw=b"nobody's")
        QuarantineDecision.objects.create(
            quarantine=message, number=1, action=QuarantineDecision.Action.DISMISS,
            decided_by=self.approver, decided_at=datetime.datetime.now(datetime.UTC), note="\\N",
        )  # fmt: skip
        Quarantine.objects.filter(pk=message.pk).update(outcome=Quarantine.Outcome.DISMISSED)
        with transaction.atomic():
            told = {"before": {"name": STRANGE}, "after": {"name": "é"}}
            for subject, of in (("the site", site), ("a person", None)):
                action = "site.changed" if of else "person.changed"
                audit_record(
                    action=action, actor=self.author, site=of, subject=subject, detail=told
                )
        months_sum_up(
            sites=self.sites, first=datetime.date(2026, 7, 1), last=datetime.date(2026, 10, 31),
            today=datetime.date(2027, 2, 1),
        )  # fmt: skip

    def _of(self, site: Site, day: datetime.date) -> FiscalDay:
        return FiscalDay.objects.select_related("site").get(site=site, fiscal_day=day)

    def _seal(self, day: FiscalDay) -> None:
        day.refresh_from_db()
        if day.closed_at is not None:
            explain_all(day, self.author)
        sealed(day, by=(self.author, self.approver))

    def _proposed(
        self,
        day: FiscalDay,
        sequence: int,
        action: Correction.Action = Correction.Action.CORRECT,
        *,
        note: str = "",
        **changes: Any,
    ) -> Correction:
        now = effective_entry(
            site_id=day.site_id, fiscal_day=day.fiscal_day, sequence=sequence
        )  # fmt: skip
        noon = datetime.datetime.combine(day.fiscal_day, datetime.time(0, 59), day.site.zone)
        values = {**(now.values or {"occurred_at": noon, "offline": False}), **changes}
        draft = Draft(
            site=day.site, fiscal_day=day.fiscal_day, sequence=sequence, action=action, note=note,
            reason=Correction.Reason.OTHER, based_on=now.latest_revision,
            values=None if action == Correction.Action.VOID else values,
        )  # fmt: skip
        return correction_propose(draft=draft, author=self.author, wants_approval=True)

    def _corrected(self, day: FiscalDay, sequence: int, *action: Any, **changes: Any) -> None:
        proposal = self._proposed(day, sequence, *action, **changes)
        correction_approve(correction=proposal, decided_by=self.approver)

    def _voided(self, day: FiscalDay, sequence: int) -> None:
        self._corrected(day, sequence, Correction.Action.VOID)


async def _stored(messages: list[tuple[str, Any]]) -> None:
    """Store messages as the worker does."""
    async with make_pool(application_name="an archive's ledger") as pool, pool.connection() as own:
        sites = SiteRegistry()
        await sites.load(own)
        intake = Intake(sites, LiveStates())
        waiting = [(topic.encode(), json.dumps(one).encode(), 0) for topic, one in messages]
        while waiting:
            batch = Batch()
            waiting = waiting[intake.take(batch, 0.0, waiting) :]
            intake.settle_strangers(batch)
            await store(own, batch)


def make_old() -> None:
    """Leave the seals as the first version made them: shorter documents, nothing signed."""
    before: dict[int, FiscalDay] = {}
    sealed_days = FiscalDay.objects.filter(z_number__isnull=False).order_by("site", "z_number")
    for day in sealed_days:
        last = before.get(day.site_id)
        previous = last.seal_hex if last else "00" * 32
        head = ["seal", 1, day.z_number, previous, f"{day.perpetual_total:.2f}"]
        lines = DaySeal.objects.get(pk=day.pk).document.splitlines(keepends=True)[1:]
        document = json.dumps(head) + "\n"
        document += "".join(line for line in lines if json.loads(line)[0] not in LATER_LINES)
        day.seal = hashlib.sha256(document.encode()).digest()
        day.previous_seal = last and last.seal
        before[day.site_id] = day
        key = (day.site_id, day.fiscal_day)
        tamper(
            "UPDATE day_seal SET document = %s WHERE (site_id, fiscal_day) = (%s, %s)",
            *(document, *key),
        )
        tamper(
            "UPDATE fiscal_day SET seal = %s, previous_seal = %s"
            " WHERE (site_id, fiscal_day) = (%s, %s)",
            *(day.seal, day.previous_seal, *key),
        )
    with transaction.atomic():
        forget_signatures()
