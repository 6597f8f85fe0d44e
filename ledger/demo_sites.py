"""The forecourts of the demo: what the ledger registers and the simulator plays, from one source.

Plain data without a database, so that the simulator needs none. The first eight sites are made by
hand; whatever is asked for beyond them is generated, the same site for the same number every
time. Places are real, brands and prices are made up.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from ledger.specs import FuellingPointSpec, NozzleSpec, ProductSpec, SiteSpec, TankSpec

#: Far below the ledger's limit of sites, and far above what one machine can play.
DEMO_SITES_MAX = 5_000
DEMO_SITES_DEFAULT = 8

#: Tanks report low product below this share of their capacity, and are filled up to the other.
LOW_MARK_SHARE = Decimal("0.15")
HIGH_MARK_SHARE = Decimal("0.95")

#: How long after its fiscal day changed a site may take until it has closed it.
CLOSING_MAX = datetime.timedelta(hours=2)

SHOP = "SHOP"
CAR_WASH = "WASH"

#: How busy each hour of the local day is, beside the others. Two peaks: to work and home.
COMMUTERS = (
    2, 1, 1, 1, 2, 8, 25, 52, 58, 42, 34, 34, 38, 36, 38, 46, 60, 68, 56, 38, 26, 18, 10, 5,
)  # fmt: skip
#: A truck stop: never quiet, with the same two peaks, flatter.
ROUND_THE_CLOCK = (
    18, 15, 14, 16, 24, 34, 42, 46, 44, 40, 38, 40, 42, 40, 40, 44, 48, 48, 44, 40, 36, 32, 27, 22,
)  # fmt: skip

DRIVERS_PAY = (("card", 58), ("app", 13), ("cash", 15), ("fuel_card", 10), ("account", 4))
HAULIERS_PAY = (("fuel_card", 72), ("card", 14), ("account", 10), ("cash", 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelDemand:
    """How often a fuel is taken, relative to the others, and how much of it typically."""

    product: str
    share: int
    litres_typical: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSite:
    """A site and how it lives.

    `cut_over` is when its fiscal day changes, local time. `visits_per_day` counts customers,
    `hour_weights` spreads them over the day. `payments` are (how, share), relative to each
    other, `dry_goods` are (product code, lowest, highest price).
    """

    spec: SiteSpec
    cut_over: datetime.time
    visits_per_day: int
    hour_weights: tuple[int, ...]
    demand: tuple[FuelDemand, ...]
    payments: tuple[tuple[str, int], ...]
    dry_goods: tuple[tuple[str, Decimal, Decimal], ...]
    tax_rate: Decimal
    reports_15c: bool


@dataclass(frozen=True, slots=True)
class _Fuel:
    code: str
    name: str
    family: str
    price: str
    share: int
    tank_litres: int = 30_000
    #: What a customer takes of it, where that is not what the site's customers take otherwise.
    litres: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Land:
    """What the sites of one country have in common."""

    country: str
    timezone: str
    currency: str
    tax_rate: str
    fuels: tuple[_Fuel, ...]
    shop: tuple[str, str]
    wash: tuple[str, str]


_BRITAIN = _Land(
    country="United Kingdom",
    timezone="Europe/London",
    currency="GBP",
    tax_rate="20.00",
    fuels=(
        _Fuel("E10", "Unleaded E10", "petrol", "1.3590", 48),
        _Fuel("E5", "Super unleaded E5", "petrol_premium", "1.4890", 10, 15_000),
        _Fuel("B7", "Diesel B7", "diesel", "1.4290", 42),
    ),
    shop=("1.20", "18.50"),
    wash=("6.00", "14.00"),
)
_GERMANY = _Land(
    country="Germany",
    timezone="Europe/Berlin",
    currency="EUR",
    tax_rate="19.00",
    fuels=(
        _Fuel("E10", "Super E10", "petrol", "1.7290", 34),
        _Fuel("E5", "Super E5", "petrol_premium", "1.7890", 26),
        _Fuel("B7", "Diesel", "diesel", "1.6490", 40, 40_000),
    ),
    shop=("1.50", "22.00"),
    wash=("8.90", "17.90"),
)
_NETHERLANDS = _Land(
    country="Netherlands",
    timezone="Europe/Amsterdam",
    currency="EUR",
    tax_rate="21.00",
    fuels=(
        _Fuel("E10", "Euro 95 E10", "petrol", "1.9490", 45),
        _Fuel("B7", "Diesel B7", "diesel", "1.7190", 55, 40_000),
    ),
    shop=("1.50", "19.00"),
    wash=("9.00", "16.00"),
)
_POLAND = _Land(
    country="Poland",
    timezone="Europe/Warsaw",
    currency="PLN",
    tax_rate="23.00",
    fuels=(
        _Fuel("PB95", "Pb95", "petrol", "5.8900", 38),
        _Fuel("PB98", "Pb98", "petrol_premium", "6.6400", 8, 15_000),
        _Fuel("ON", "Diesel ON", "diesel", "6.0900", 40),
        _Fuel("LPG", "LPG", "lpg", "2.7900", 14, 20_000),
    ),
    shop=("4.99", "89.00"),
    wash=("24.00", "49.00"),
)
_CZECHIA = _Land(
    country="Czechia",
    timezone="Europe/Prague",
    currency="CZK",
    tax_rate="21.00",
    fuels=(
        _Fuel("N95", "Natural 95", "petrol", "34.9000", 42),
        _Fuel("NAFTA", "Nafta", "diesel", "33.7000", 46),
        _Fuel("NAFTA-PLUS", "Nafta Plus", "diesel_premium", "36.9000", 12, 15_000),
    ),
    shop=("19.90", "390.00"),
    wash=("120.00", "260.00"),
)
_PORTUGAL = _Land(
    country="Portugal",
    timezone="Europe/Lisbon",
    currency="EUR",
    tax_rate="23.00",
    fuels=(
        _Fuel("G95", "Gasolina 95", "petrol", "1.7190", 45),
        _Fuel("GASOLEO", "Gasóleo", "diesel", "1.5890", 55),
    ),
    shop=("0.90", "16.00"),
    wash=("5.00", "12.00"),
)
_FINLAND = _Land(
    country="Finland",
    timezone="Europe/Helsinki",
    currency="EUR",
    tax_rate="25.50",
    fuels=(
        _Fuel("95E10", "95 E10", "petrol", "1.7990", 46),
        _Fuel("98E5", "98 E5", "petrol_premium", "1.8890", 14, 20_000),
        _Fuel("DI", "Diesel", "diesel", "1.7490", 40, 40_000),
    ),
    shop=("1.80", "21.00"),
    wash=("10.00", "19.00"),
)


def demo_sites(count: int = DEMO_SITES_DEFAULT) -> tuple[DemoSite, ...]:
    """Return the first `count` demo sites, always the same. ValueError beyond the limit."""
    if not 1 <= count <= DEMO_SITES_MAX:
        raise ValueError(f"between 1 and {DEMO_SITES_MAX} demo sites, not {count}")
    named = _named_sites()
    return named[:count] + tuple(_generated_site(n) for n in range(len(named) + 1, count + 1))


def _site(
    code: str,
    land: _Land,
    *,
    name: str,
    city: str,
    postcode: str,
    address: str,
    latitude: str,
    longitude: str,
    brand: str,
    points: int,
    visits: int,
    cut_over: str = "00:00",
    litres: int = 31,
    hours: tuple[int, ...] = COMMUTERS,
    payments: tuple[tuple[str, int], ...] = DRIVERS_PAY,
    fuels: tuple[_Fuel, ...] = (),
    reports_15c: bool = True,
) -> DemoSite:
    """Lay a site out: a tank for each fuel, every fuel at every point, two points a bay."""
    fuels = fuels or land.fuels
    changes_at = datetime.time.fromisoformat(cut_over)
    tax_rate = Decimal(land.tax_rate)
    goods = ((SHOP, "Shop", land.shop), (CAR_WASH, "Car wash", land.wash))
    tank_of = {fuel.code: number for number, fuel in enumerate(fuels, start=1)}
    spec = SiteSpec(
        code=code,
        name=name,
        brand=brand,
        address=address,
        city=city,
        postcode=postcode,
        country=land.country,
        latitude=Decimal(latitude),
        longitude=Decimal(longitude),
        timezone=land.timezone,
        currency=land.currency,
        cutoff=(datetime.datetime.combine(datetime.date.min, changes_at) + CLOSING_MAX).time(),
        products=tuple(
            ProductSpec(
                code=fuel.code,
                name=fuel.name,
                family=fuel.family,
                unit_price=Decimal(fuel.price),
                tax_rate=tax_rate,
            )
            for fuel in fuels
        )
        + tuple(
            ProductSpec(code=good, name=title, family="dry_goods", tax_rate=tax_rate)
            for good, title, _ in goods
        ),
        tanks=tuple(
            TankSpec(
                number=tank_of[fuel.code],
                product=fuel.code,
                capacity=Decimal(fuel.tank_litres),
                low_mark=fuel.tank_litres * LOW_MARK_SHARE,
                high_mark=fuel.tank_litres * HIGH_MARK_SHARE,
            )
            for fuel in fuels
        ),
        fuelling_points=tuple(
            FuellingPointSpec(number=point, bay=(point + 1) // 2) for point in range(1, points + 1)
        ),
        nozzles=tuple(
            NozzleSpec(
                fuelling_point=point, number=number, product=fuel.code, tank=tank_of[fuel.code]
            )
            for point in range(1, points + 1)
            for number, fuel in enumerate(fuels, start=1)
        ),
    )
    return DemoSite(
        spec=spec,
        cut_over=changes_at,
        visits_per_day=visits,
        hour_weights=hours,
        demand=tuple(
            FuelDemand(product=fuel.code, share=fuel.share, litres_typical=fuel.litres or litres)
            for fuel in fuels
        ),
        payments=payments,
        dry_goods=tuple((good, Decimal(low), Decimal(high)) for good, _, (low, high) in goods),
        tax_rate=tax_rate,
        reports_15c=reports_15c,
    )


@cache
def _named_sites() -> tuple[DemoSite, ...]:
    return (
        _site(
            "GB-NORWICH", _BRITAIN, name="Norwich Ring Road", brand="Fenland Fuels",
            address="118 Sweet Briar Road", city="Norwich", postcode="NR6 5AP",
            latitude="52.6491", longitude="1.2620", points=8, visits=430,
        ),
        _site(
            "GB-ABERDEEN", _BRITAIN, name="Aberdeen Harbour", brand="Northlight",
            address="Commercial Quay", city="Aberdeen", postcode="AB11 5NU",
            latitude="57.1436", longitude="-2.0880", points=6, visits=290, cut_over="05:00",
            fuels=(
                _Fuel("E10", "Unleaded E10", "petrol", "1.3790", 40),
                _Fuel("B7", "Diesel B7", "diesel", "1.4490", 48),
                _Fuel("HVO", "HVO renewable diesel", "renewable", "1.8690", 12, 20_000),
            ),
        ),
        _site(
            "DE-BERLIN", _GERMANY, name="Berlin Tempelhofer Damm", brand="Kranich",
            address="Tempelhofer Damm 214", city="Berlin", postcode="12099",
            latitude="52.4587", longitude="13.3849", points=10, visits=520,
        ),
        _site(
            "NL-ROTTERDAM", _NETHERLANDS, name="Rotterdam Maasvlakte truck stop",
            brand="Delta Energie", address="Europaweg 420", city="Rotterdam", postcode="3199 LD",
            latitude="51.9496", longitude="4.0530", points=8, visits=260, cut_over="06:00",
            litres=240, hours=ROUND_THE_CLOCK, payments=HAULIERS_PAY,
            fuels=(
                _Fuel("B7", "Diesel B7", "diesel", "1.6890", 70, 90_000),
                _Fuel("ADBLUE", "AdBlue", "adblue", "0.8990", 16, 20_000, 45),
                _Fuel("E10", "Euro 95 E10", "petrol", "1.9490", 14, 30_000, 34),
            ),
        ),
        _site(
            "PL-GDANSK", _POLAND, name="Gdańsk Grunwaldzka", brand="Bursztyn",
            address="Aleja Grunwaldzka 305", city="Gdańsk", postcode="80-309",
            latitude="54.3862", longitude="18.5894", points=8, visits=380,
        ),
        _site(
            "CZ-BRNO", _CZECHIA, name="Brno Vídeňská", brand="Morava Oil",
            address="Vídeňská 89", city="Brno", postcode="639 00",
            latitude="49.1763", longitude="16.6030", points=6, visits=310, cut_over="04:00",
        ),
        _site(
            "PT-FARO", _PORTUGAL, name="Faro Estrada 125", brand="Atlântica",
            address="Estrada Nacional 125", city="Faro", postcode="8005-145",
            latitude="37.0365", longitude="-7.9509", points=4, visits=190, litres=27,
            reports_15c=False,
        ),
        _site(
            "FI-TAMPERE", _FINLAND, name="Tampere Hatanpää", brand="Revontuli",
            address="Hatanpään valtatie 36", city="Tampere", postcode="33100",
            latitude="61.4836", longitude="23.7682", points=12, visits=450, litres=34,
        ),
    )  # fmt: skip


#: Where generated sites stand: the prefix of their codes, and town, latitude and longitude.
_TOWNS: tuple[tuple[str, _Land, tuple[tuple[str, str, str], ...]], ...] = (
    ("GB", _BRITAIN, (("Leeds", "53.7997", "-1.5492"), ("Exeter", "50.7236", "-3.5275"),
                      ("Swansea", "51.6214", "-3.9436"), ("Inverness", "57.4778", "-4.2247"))),
    ("DE", _GERMANY, (("Leipzig", "51.3397", "12.3731"), ("Kiel", "54.3233", "10.1228"),
                      ("Ulm", "48.4011", "9.9876"), ("Trier", "49.7596", "6.6439"))),
    ("NL", _NETHERLANDS, (("Utrecht", "52.0907", "5.1214"), ("Zwolle", "52.5168", "6.0830"))),
    ("PL", _POLAND, (("Łódź", "51.7592", "19.4560"), ("Lublin", "51.2465", "22.5684"),
                     ("Opole", "50.6751", "17.9213"))),
    ("CZ", _CZECHIA, (("Plzeň", "49.7384", "13.3736"), ("Olomouc", "49.5938", "17.2509"))),
    ("PT", _PORTUGAL, (("Braga", "41.5454", "-8.4265"), ("Évora", "38.5714", "-7.9135"))),
    ("FI", _FINLAND, (("Oulu", "65.0121", "25.4651"), ("Turku", "60.4518", "22.2666"))),
)  # fmt: skip
_STREETS = ("North", "South", "East", "West", "Station", "Harbour", "Market", "Mill")
_BRANDS = ("Fenland Fuels", "Northlight", "Kranich", "Delta Energie", "Bursztyn", "Atlântica")
_CUT_OVERS = ("00:00", "00:00", "04:00", "05:00", "06:00")


def _generated_site(number: int) -> DemoSite:
    """Make up the site of a number: a generator of its own, so others don't change it."""
    chance = random.Random(number)  # noqa: S311 a demo, no secret
    prefix, land, towns = _TOWNS[number % len(_TOWNS)]
    town, latitude, longitude = chance.choice(towns)
    points = chance.choice((4, 6, 6, 8, 8, 10, 12))
    street = chance.choice(_STREETS)
    return _site(
        f"{prefix}-{number:04d}",
        land,
        name=f"{town} {street} {number}",
        brand=chance.choice(_BRANDS),
        address=f"{street} Road {chance.randint(1, 240)}",
        city=town,
        postcode="",
        latitude=_near(latitude, chance),
        longitude=_near(longitude, chance),
        points=points,
        visits=points * chance.randint(38, 56),
        cut_over=chance.choice(_CUT_OVERS),
        litres=chance.randint(25, 38),
        reports_15c=chance.random() < 0.8,
    )


def _near(degrees: str, chance: random.Random) -> str:
    return str(Decimal(degrees) + Decimal(chance.randint(-400, 400)).scaleb(-4))
