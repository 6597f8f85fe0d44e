"""What stands on a forecourt and what it is doing now: fuelling points, tanks, alarms."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from urllib.parse import urlencode

from django.db.models import Count
from django.utils import timezone

from ledger.models import (
    Alarm,
    AlarmAcknowledgement,
    AlarmEvent,
    Entry,
    FiscalDay,
    FuellingPoint,
    Nozzle,
    NozzleState,
    PumpState,
    Site,
    Tank,
    TankState,
)
from ledger.models.live import CREDIBLE_AT
from ledger.plausible import plausible
from ledger.selectors.silence import STATES_TO_SELL, Silence, silent_points

DELIVERING = frozenset(
    {
        PumpState.State.STARTED,
        PumpState.State.SUSPENDED_STARTED,
        PumpState.State.FUELLING,
        PumpState.State.SUSPENDED_FUELLING,
    }
)
#: A sale is to begin here: the last one is over for whoever stands at the point.
ABOUT_TO_DELIVER = frozenset({PumpState.State.CALLING, PumpState.State.AUTHORISED})
#: How sites call what is grave, in lower case.
CRITICAL_SEVERITIES = frozenset({"critical", "error", "fatal"})
#: A page names this many alarms of a site.
ALARMS_MAX = 20
#: A sale that has ended shows its total for this long before its point is merely idle.
SALE_SHOWN = datetime.timedelta(seconds=12)
#: A point that fuels reports about every second; one that says nothing for this long has stopped
#: reporting, and its figures stand still.
RUNNING_STALE = datetime.timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class FuellingPointView:
    """A fuelling point: its newest state (None: never heard), last sale, and its products.

    `has_just_ended` says that a sale ended a moment ago, whose volume and amount are the state's.
    `is_stale` says that the figures of a running sale stand still. `silence` says that the point
    looks dead, `stand_alone_count` how many sales of the current fiscal day it made stand-alone.
    """

    number: int
    bay: int
    state: PumpState | None = None
    last_sale: NozzleState | None = None
    products: list[str] = field(default_factory=list)
    has_just_ended: bool = False
    is_stale: bool = False
    silence: Silence | None = None
    stand_alone_count: int = 0

    @property
    def is_delivering(self) -> bool:
        """Whether a sale runs here now, so that volume and amount are those of the state."""
        return self.state is not None and self.state.state in DELIVERING

    @property
    def awaits_figures(self) -> bool:
        """Whether a sale begins here that has no figures yet: those of the last would mislead."""
        if self.state is None:
            return False
        if self.state.state in ABOUT_TO_DELIVER:
            return True
        return self.is_delivering and self.state.volume is None and self.state.amount is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bay:
    """Fuelling points that stand together."""

    number: int
    fuelling_points: list[FuellingPointView]


def bays(
    site: Site, *, day: FiscalDay | None = None, now: datetime.datetime | None = None
) -> list[Bay]:
    """Return the fuelling points by bay. Four queries, and more with the current fiscal day.

    A point that reports a state but is not registered stands in bay 0, after the others.
    """
    now = now or timezone.now()
    states = {state.fuelling_point: state for state in PumpState.objects.filter(site=site)}
    sales: dict[int, NozzleState] = {}
    nozzles = plausible(NozzleState.objects.filter(site=site), now)
    for sale in nozzles.order_by("fiscal_day", "sequence"):
        sales[sale.fuelling_point] = sale
    products: dict[int, list[str]] = {}
    for nozzle in Nozzle.objects.filter(site=site).order_by("pk"):
        named = products.setdefault(nozzle.fuelling_point, [])
        if nozzle.product not in named:
            named.append(nozzle.product)
    known = {
        point.number: point.bay for point in FuellingPoint.objects.filter(site=site).order_by("pk")
    }
    stand_alone = _stand_alone_counts(site, day)
    working = {number: sale for number, sale in sales.items() if _is_to_sell(states.get(number))}
    silences = silent_points(site, last_sales=working, now=now) if day else {}
    points = [
        FuellingPointView(
            number=number,
            bay=known.get(number, 0),
            state=states.get(number),
            last_sale=sales.get(number),
            products=products.get(number, []),
            has_just_ended=_has_just_ended(states.get(number), now),
            is_stale=_is_stale(states.get(number), now),
            silence=silences.get(number),
            stand_alone_count=stand_alone.get(number, 0),
        )
        for number in sorted(known.keys() | states.keys())
    ]
    points.sort(key=lambda point: (point.bay == 0, point.bay, point.number))
    return [
        Bay(number=number, fuelling_points=list(group))
        for number, group in groupby(points, key=lambda point: point.bay)
    ]


def _stand_alone_counts(site: Site, day: FiscalDay | None) -> dict[int, int]:
    if day is None:
        return {}
    entries = Entry.objects.filter(
        site=site, fiscal_day=day.fiscal_day, offline=True, fuelling_point__isnull=False
    )
    counts = entries.order_by().values_list("fuelling_point").annotate(count=Count("*"))
    return dict(counts)


def _is_to_sell(state: PumpState | None) -> bool:
    """Whether silence would be news: of a point that is out of use, its state says so already."""
    return state is None or state.state in STATES_TO_SELL


def _has_just_ended(state: PumpState | None, now: datetime.datetime) -> bool:
    """Whether a point that is idle again says so with a sale, a moment ago by both clocks."""
    if state is None or state.state != PumpState.State.IDLE or state.amount is None:
        return False
    # The site's clock may be off by a little; what the broker kept for long is no news.
    return now - state.received_at < SALE_SHOWN and now - state.at < 5 * SALE_SHOWN


def _is_stale(state: PumpState | None, now: datetime.datetime) -> bool:
    return (
        state is not None
        and state.state == PumpState.State.FUELLING
        and now - state.received_at > RUNNING_STALE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TankView:
    """A tank with its newest reading; litres, None where nothing is known.

    `is_stale` says that the reading is older than the site's limit.
    """

    number: int
    product: str
    capacity: Decimal | None = None
    low_mark: Decimal | None = None
    high_mark: Decimal | None = None
    volume: Decimal | None = None
    ullage: Decimal | None = None
    water: Decimal | None = None
    temperature: Decimal | None = None
    at: datetime.datetime | None = None
    status: str = ""
    alarms: list[str] = field(default_factory=list)
    is_stale: bool = False

    @property
    def is_low(self) -> bool:
        """Whether the product stands at or below the low mark."""
        if self.volume is None or self.low_mark is None:
            return False
        return self.volume <= self.low_mark

    @property
    def is_high(self) -> bool:
        """Whether the product stands at or above the high mark."""
        if self.volume is None or self.high_mark is None:
            return False
        return self.volume >= self.high_mark

    @property
    def other_alarms(self) -> list[str]:
        """What the gauge reports beyond what `is_low` and `is_high` say already."""
        known = {"low_product"} if self.is_low else {"high_product"} if self.is_high else set()
        return [alarm for alarm in self.alarms if alarm not in known]


def tanks(site: Site, *, now: datetime.datetime | None = None) -> list[TankView]:
    """Return the site's tanks by number, also those that report but are not registered."""
    stale_at = (now or timezone.now()) - datetime.timedelta(seconds=site.stale_after_s)
    known = {tank.number: tank for tank in Tank.objects.filter(site=site)}
    states = {state.tank: state for state in TankState.objects.filter(site=site)}
    return [
        _tank_view(number, known.get(number), states.get(number), stale_at)
        for number in sorted(known.keys() | states.keys())
    ]


def _tank_view(
    number: int, tank: Tank | None, state: TankState | None, stale_at: datetime.datetime
) -> TankView:
    capacity = tank.capacity if tank else None
    if state is None:
        return TankView(
            number=number,
            product=tank.product if tank else "",
            capacity=capacity,
            low_mark=tank.low_mark if tank else None,
            high_mark=tank.high_mark if tank else None,
        )
    capacity = capacity or state.capacity
    ullage = state.ullage
    if ullage is None and capacity is not None and state.volume is not None:
        ullage = capacity - state.volume
    return TankView(
        number=number,
        product=state.product or (tank.product if tank else ""),
        capacity=capacity,
        low_mark=tank.low_mark if tank else None,
        high_mark=tank.high_mark if tank else None,
        volume=state.volume,
        ullage=ullage,
        water=state.water,
        temperature=state.temperature,
        at=state.credible_at,
        status=state.status or "",
        alarms=[str(alarm) for alarm in state.alarms or []],
        is_stale=state.credible_at < stale_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmView:
    """An alarm as it stands, and who has taken note of this start of it (None: nobody yet)."""

    alarm: Alarm
    acknowledgement: AlarmAcknowledgement | None = None

    @property
    def is_on(self) -> bool:
        """Whether it goes on."""
        return self.alarm.state == AlarmEvent.State.STARTED

    @property
    def is_urgent(self) -> bool:
        """Whether it goes on and nobody has taken note of it."""
        return self.is_on and self.acknowledgement is None

    @property
    def is_critical(self) -> bool:
        """Whether the site itself says that it is grave."""
        return self.alarm.severity.lower() in CRITICAL_SEVERITIES

    @property
    def key(self) -> str:
        """The alarm's key and its start, as an address holds them."""
        alarm = self.alarm
        return urlencode(
            {
                "device": alarm.device,
                "number": alarm.number,
                "code": alarm.code,
                "at": alarm.at.isoformat(),
            }
        )


def alarms(site: Site, *, limit: int = ALARMS_MAX) -> list[AlarmView]:
    """Return the site's alarms: those that nobody took note of, others that are on, then the rest.

    Of each kind the critical ones come first, then the newest. Three queries.
    """
    newest_first = (CREDIBLE_AT.desc(), "pk")
    alarms_of_site = Alarm.objects.filter(site=site).order_by(*newest_first)
    on = alarms_of_site.filter(state=AlarmEvent.State.STARTED)[:limit]
    off = alarms_of_site.exclude(state=AlarmEvent.State.STARTED)
    active = list(on)
    found = active + list(off[: limit - len(active)])
    notes = {
        _alarm_key(note): note
        for note in AlarmAcknowledgement.objects.filter(
            site=site, at__in=[alarm.at for alarm in active]
        ).select_related("acknowledged_by")
    }
    views = [
        AlarmView(alarm=alarm, acknowledgement=notes.get(_alarm_key(alarm))) for alarm in found
    ]
    views.sort(
        key=lambda view: (not view.is_urgent, not view.is_on, view.is_on and not view.is_critical)
    )
    return views


def _alarm_key(row: Alarm | AlarmAcknowledgement) -> tuple[str, int, str, datetime.datetime]:
    return row.device, row.number, row.code, row.at
