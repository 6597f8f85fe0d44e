"""What a site is, as it is told to the ledger: plain values without a database.

Whoever registers sites (the import of a public register, the replay, the demo) builds these, and
`ledger.services.sites` writes them. A group that is None says nothing about that group; a tuple
is the whole of it, so that what it does not name goes.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal

#: Fiscal days change at night; in the morning the office wants to see that they did.
CUTOFF_DEFAULT = datetime.time(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSpec:
    """A product: `family` is one of `ledger.models.ProductFamily`, `unit_price` is per litre."""

    code: str
    name: str
    family: str
    unit_price: Decimal | None = None
    tax_rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TankSpec:
    """A tank: capacity and marks in litres."""

    number: int
    product: str
    capacity: Decimal
    low_mark: Decimal | None = None
    high_mark: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FuellingPointSpec:
    """A fuelling point and the bay it stands in."""

    number: int
    bay: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NozzleSpec:
    """A nozzle: its product and the tank it draws from."""

    fuelling_point: int
    number: int
    product: str
    tank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSpec:
    """A site. With a `source_id` the site is known by that, else by its code.

    By `cutoff`, on its own clock, its fiscal day is to be closed on the day that follows; None
    leaves that as it is, CUTOFF_DEFAULT for a new site.

    `first_fiscal_day` is the first day of what is brought along with it (`ledger.plausible`). It
    only ever moves the site's first day back; None brings nothing along.
    """

    code: str
    name: str
    timezone: str
    currency: str
    brand: str = ""
    address: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    source_id: str | None = None
    is_closed: bool = False
    cutoff: datetime.time | None = None
    first_fiscal_day: datetime.date | None = None
    products: tuple[ProductSpec, ...] | None = None
    tanks: tuple[TankSpec, ...] | None = None
    fuelling_points: tuple[FuellingPointSpec, ...] | None = None
    nozzles: tuple[NozzleSpec, ...] | None = None
