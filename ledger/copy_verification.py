"""Verifying the ledger against the newest seals that the broker keeps for the sites."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from ledger.faults import Fault
from ledger.models import Command, FiscalDay, Site

#: A seal that was published so shortly before may have come after the copies were read.
SETTLED_AFTER = datetime.timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCopy:
    """The newest seal as a site holds it."""

    fiscal_day: datetime.date
    z_number: int
    seal: str


@dataclass(slots=True)
class CopyVerdict:
    """The faults of a copy, and notes on what is only worth knowing."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def copy_verify(site: Site, copy: SealCopy | None, *, before: datetime.datetime) -> CopyVerdict:
    """Compare the copy of a site, None where it holds none, as they were read `before`."""
    verdict = CopyVerdict()
    sealed = FiscalDay.objects.filter(site=site).exclude(seal=None)
    published = _newest_published(site, before)
    if copy is None:
        if published is not None:
            what = "the site holds no copy of a seal, though this day's was published"
            verdict.faults.append(Fault(site=site.code, fiscal_day=published, what=what))
        elif sealed.exists():
            verdict.notes.append(f"{site.code} holds no copy of its seal; none was published yet")
        return verdict
    day = sealed.filter(fiscal_day=copy.fiscal_day).first()
    what = ""
    if day is None:
        what = "the site holds a seal of a day that is not sealed"
    elif (day.z_number, day.seal_hex) != (copy.z_number, copy.seal):
        what = "the site holds another seal of this day"
    elif published and sealed.filter(fiscal_day=published, z_number__gt=copy.z_number).exists():
        verdict.notes.append(
            f"{site.code} holds an older seal than that of {published}, which was published"
        )
    if what:
        verdict.faults.append(Fault(site=site.code, fiscal_day=copy.fiscal_day, what=what))
    return verdict


def _newest_published(site: Site, before: datetime.datetime) -> datetime.date | None:
    """Return the day whose seal was published last, None where none was or one waits to be."""
    asked = Command.objects.filter(site=site, kind=Command.Kind.SEAL)
    if asked.filter(sent_at=None).exists():
        return None
    sent = asked.filter(sent_at__lt=before - SETTLED_AFTER).order_by("-id")
    return sent.values_list("fiscal_day", flat=True).first()
