"""What keeps fiscal days from being sealed, and who has what to do."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from ledger.models import FiscalDay
from ledger.plausible import plausible

#: A list of days to be sealed shows this many; the oldest come first, and the rest is counted.
DAYS_TO_SEAL_MAX = 100

Sites = Collection[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayToSeal:
    """A closed day that is not sealed. `is_next` unless an earlier day of its site comes first."""

    day: FiscalDay
    is_next: bool

    @property
    def is_proposed(self) -> bool:
        """Whether it waits for a second person."""
        return self.day.seal_proposed_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysToSeal:
    """The first of the closed days that are not sealed, and how many there are in all."""

    rows: list[DayToSeal] = field(default_factory=list)
    count: int = 0
    proposed_count: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether there are more than `rows` lists."""
        return len(self.rows) < self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of a site's chain of seals: the day that was sealed last, whatever its date is."""

    z_number: int = 0
    seal: bytes | None = None
    perpetual_total: Decimal = Decimal(0)


def chain_head(site_id: int) -> ChainHead:
    """Return behind what a site's next seal comes: the beginning if none is sealed. One query."""
    sealed = FiscalDay.objects.filter(site=site_id, z_number__isnull=False)
    last = sealed.order_by("-z_number").first()
    if last is None or last.z_number is None:
        return ChainHead()
    return ChainHead(
        z_number=last.z_number,
        seal=bytes(last.seal) if last.seal else None,
        perpetual_total=last.perpetual_total or Decimal(0),
    )


def days_before_seal(site_id: int, *, before: datetime.date) -> QuerySet[FiscalDay]:
    """Return the site's days that are to be sealed before the one given."""
    days = FiscalDay.objects.filter(site=site_id, fiscal_day__lt=before, sealed_at=None)
    return plausible(days, timezone.now())


def seal_proposals(*, site_ids: Sites = None) -> QuerySet[FiscalDay]:
    """Return the days of sites (None: of all) whose seal somebody proposed, the oldest first."""
    waiting = _of_sites(site_ids).filter(seal_proposed_at__isnull=False, sealed_at=None)
    return waiting.select_related("site", "seal_proposed_by").order_by("seal_proposed_at")


def days_to_seal(
    *, site_ids: Sites = None, is_proposed: bool | None = None, limit: int = DAYS_TO_SEAL_MAX
) -> DaysToSeal:
    """Return the closed plausible days of sites (None: of all) not sealed, the oldest first.

    `is_proposed` narrows them down to those that wait for a second person, or to the others;
    `count` is of what was asked for. Three queries.
    """
    now = timezone.now()
    waiting = plausible(_of_sites(site_ids), now).filter(closed_at__isnull=False, sealed_at=None)
    proposed_count = waiting.filter(seal_proposed_at__isnull=False).count()
    if is_proposed is not None:
        waiting = waiting.filter(seal_proposed_at__isnull=not is_proposed)
    earlier = FiscalDay.objects.filter(
        site=OuterRef("site_id"),
        fiscal_day__gte=OuterRef("site__first_fiscal_day"),
        fiscal_day__lt=OuterRef("fiscal_day"),
        sealed_at=None,
    )
    found = (
        waiting.annotate(has_earlier=Exists(earlier))
        .select_related("site", "seal_proposed_by")
        .order_by("fiscal_day", "site__code")
    )
    return DaysToSeal(
        rows=[DayToSeal(day=day, is_next=not day.has_earlier) for day in found[:limit]],
        count=waiting.count(),
        proposed_count=proposed_count,
    )


def first_unsealed(site_id: int, *, before: datetime.date) -> FiscalDay | None:
    """Return the site's first day that is to be sealed before the one given, if there is any."""
    return days_before_seal(site_id, before=before).order_by("fiscal_day").first()


def _of_sites(site_ids: Sites) -> QuerySet[FiscalDay]:
    days = FiscalDay.objects.all()
    return days if site_ids is None else days.filter(site__in=site_ids)
