"""What a site is and what stands on its forecourt, as forms edit it.

Values come with their version, a digest: whoever stores says which version they saw, and so never
overwrites what somebody else stored meanwhile (`ledger.services.setup`).
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from ledger.models import DayTotal, FiscalDay, FuellingPoint, Nozzle, Product, Site, Tank

#: What of a site is edited; its code and its source stay as they were first given.
DETAIL_FIELDS = (
    "name",
    "brand",
    "address",
    "city",
    "postcode",
    "country",
    "timezone",
    "currency",
    "is_closed",
    "first_fiscal_day",
    "stale_after_s",
    "cutoff",
    "correction_limit",
    "wet_stock_daily_permille",
    "wet_stock_daily_litres",
    "wet_stock_monthly_permille",
    "wet_stock_monthly_litres",
)
#: The rows of each group, without their site.
GROUP_FIELDS: dict[str, tuple[type[models.Model], tuple[str, ...]]] = {
    "products": (Product, ("code", "name", "family", "unit_price", "tax_rate")),
    "tanks": (Tank, ("number", "product", "capacity", "low_mark", "high_mark")),
    "fuelling_points": (FuellingPoint, ("number", "bay")),
    "nozzles": (Nozzle, ("fuelling_point", "number", "product", "tank")),
}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Uses:
    """What of a site refers to one of its products or tanks, so that it cannot go."""

    tanks: list[int] = field(default_factory=list)
    #: As (fuelling point, nozzle).
    nozzles: list[tuple[int, int]] = field(default_factory=list)
    #: Sold in a fiscal day that is still open.
    is_sold_now: bool = False

    def __bool__(self) -> bool:
        return bool(self.tanks or self.nozzles or self.is_sold_now)


def version_of(values: Any) -> str:
    """Return the digest of values, the same for the same values."""
    text = json.dumps(values, cls=DjangoJSONEncoder, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def site_details(site: Site) -> Row:
    """Return what is stored of a site now. One query."""
    return Site.objects.values(*DETAIL_FIELDS).get(pk=site.pk)


def site_groups(site: Site, *names: str) -> dict[str, list[Row]]:
    """Return the stored rows of groups, in the order of their keys. One query a group."""
    found = {}
    for name in names:
        model, columns = GROUP_FIELDS[name]
        rows = model._default_manager.filter(site_id=site.pk)  # noqa: SLF001 Django's documented API
        found[name] = list(rows.order_by("pk").values(*columns))
    return found


def product_uses(site: Site) -> dict[str, Uses]:
    """Return what each product code is used by. Three queries."""
    uses: dict[str, Uses] = {}
    for number, product in Tank.objects.filter(site=site).values_list("number", "product"):
        uses.setdefault(product, Uses()).tanks.append(number)
    for point, number, product in Nozzle.objects.filter(site=site).values_list(
        "fuelling_point", "number", "product"
    ):
        uses.setdefault(product, Uses()).nozzles.append((point, number))
    open_days = FiscalDay.objects.filter(site=site, closed_at=None, sealed_at=None)
    sold = DayTotal.objects.filter(
        site=site, fiscal_day__in=open_days.values("fiscal_day"), count__gt=0
    )
    for product in sold.values_list("product", flat=True).distinct():
        found = uses.get(product, Uses())
        uses[product] = Uses(found.tanks, found.nozzles, is_sold_now=True)
    return uses


def tank_uses(site: Site) -> dict[int, Uses]:
    """Return which nozzles draw from each tank. One query."""
    uses: dict[int, Uses] = {}
    for tank, point, number in Nozzle.objects.filter(site=site, tank__isnull=False).values_list(
        "tank", "fuelling_point", "number"
    ):
        uses.setdefault(tank or 0, Uses()).nozzles.append((point, number))
    return uses


def sealed_between(site: Site, first: datetime.date, until: datetime.date) -> datetime.date | None:
    """Return the site's first sealed fiscal day from one day on and before another, if any."""
    days = FiscalDay.objects.filter(site=site, sealed_at__isnull=False)
    found = days.filter(fiscal_day__gte=first, fiscal_day__lt=until).order_by("fiscal_day")
    return found.values_list("fiscal_day", flat=True).first()


def has_ledger(site: Site) -> bool:
    """Say whether the site has fiscal days, in its currency and by its clock."""
    return FiscalDay.objects.filter(site=site).exists()
